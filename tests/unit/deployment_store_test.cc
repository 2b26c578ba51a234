#include "fleet/deployment_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "policy/policy_parser.h"

namespace sessionctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DeploymentStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/deployment_store.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = name;
    absl::StatusOr<SessionStore> sessions = SessionStore::Open(root_ + "/state");
    ASSERT_TRUE(sessions.ok()) << sessions.status();
    sessions_.emplace(*std::move(sessions));
    absl::StatusOr<DeploymentStore> store = DeploymentStore::Open(*sessions_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_.emplace(*std::move(store));
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string Path(const std::string& name) const { return root_ + "/state/deployments/" + name; }
  void Plant(const std::string& name, const std::string& text) {
    std::ofstream(Path(name)) << text;
  }
  StoredDeployment Stored(const std::string& name) {
    StoredDeployment stored;
    absl::StatusOr<Deployment> deployment = ParseDeployment(
        "[deployment]\nname = \"" + name + "\"\n[[session]]\nname = \"a\"\ncommand = [\"true\"]\n",
        "d.toml");
    EXPECT_TRUE(deployment.ok()) << deployment.status();
    stored.wanted = {*deployment, 7, true};
    stored.environment = {"TERM=dumb"};
    return stored;
  }

  std::string root_;
  std::optional<SessionStore> sessions_;
  std::optional<DeploymentStore> store_;
};

TEST_F(DeploymentStoreTest, WhatIsWrittenIsListed) {
  ASSERT_TRUE(store_->Write(Stored("b")).ok());
  ASSERT_TRUE(store_->Write(Stored("a")).ok());
  const DeploymentListing listing = store_->List();
  ASSERT_THAT(listing.deployments, SizeIs(2));
  const StoredDeployment& first = listing.deployments[0];
  EXPECT_EQ(first.wanted.deployment.name, "a");
  EXPECT_EQ(first.wanted.version, 7);
  EXPECT_TRUE(first.wanted.removing);
  EXPECT_THAT(first.environment, ElementsAre("TERM=dumb"));
  EXPECT_THAT(first.wanted.deployment.sessions.at(0).command, ElementsAre("true"));
  EXPECT_THAT(listing.messages, IsEmpty());
}

TEST_F(DeploymentStoreTest, TornFileIsSetAside) {
  ASSERT_TRUE(store_->Write(Stored("good")).ok());
  Plant("torn.json", "{\"version\": 1, \"deploy");
  DeploymentListing listing = store_->List();
  EXPECT_THAT(listing.deployments, SizeIs(1));
  EXPECT_THAT(listing.messages, ElementsAre(HasSubstr("deployments/torn.json: torn")));
  EXPECT_TRUE(std::filesystem::exists(Path("torn.json.set-aside")));
  EXPECT_THAT(store_->List().messages, IsEmpty());
  EXPECT_TRUE(store_->Write(Stored("torn")).ok());  // the name is free again
}

TEST_F(DeploymentStoreTest, FileOfALaterVersionStays) {
  Plant("later.json", "{\"version\": 2, \"whatever\": true}");
  const DeploymentListing listing = store_->List();
  EXPECT_THAT(listing.later_versions, ElementsAre("later"));
  EXPECT_THAT(listing.messages, ElementsAre(HasSubstr("later version")));
  EXPECT_TRUE(std::filesystem::exists(Path("later.json")));
}

TEST_F(DeploymentStoreTest, ForeignContentsAreSetAside) {
  ASSERT_TRUE(store_->Write(Stored("a")).ok());
  std::filesystem::copy(Path("a.json"), Path("b.json"));  // says that it is "a"
  Plant("list.json", "[1, 2]");
  Plant("bare.json", "{\"version\": 1}");
  Plant("odd.json",
        "{\"version\": 1, \"deployment\": \"x = 1\", \"applied\": 1, "
        "\"removing\": false, \"retried\": [], \"environment\": []}");
  const DeploymentListing listing = store_->List();
  EXPECT_THAT(listing.deployments, SizeIs(1));
  EXPECT_THAT(listing.messages, SizeIs(4));
}

TEST_F(DeploymentStoreTest, LinkIsNotFollowed) {
  std::ofstream(root_ + "/victim") << "{\"version\": 1}";
  std::filesystem::create_symlink(root_ + "/victim", Path("link.json"));
  EXPECT_THAT(store_->List().messages, ElementsAre(HasSubstr("set aside")));
  EXPECT_TRUE(std::filesystem::exists(root_ + "/victim"));
  std::filesystem::create_symlink(root_ + "/victim", Path("a.json"));
  ASSERT_TRUE(store_->Write(Stored("a")).ok());  // replaces the link
  std::ifstream victim(root_ + "/victim");
  std::string text;
  std::getline(victim, text);
  EXPECT_EQ(text, "{\"version\": 1}");
}

TEST_F(DeploymentStoreTest, FileOfAnotherUserIsSetAside) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give a file away";
  ASSERT_TRUE(store_->Write(Stored("a")).ok());
  ASSERT_EQ(chown(Path("a.json").c_str(), 1, 1), 0);
  EXPECT_THAT(store_->List().deployments, IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(Path("a.json.set-aside")));
}

TEST_F(DeploymentStoreTest, DirectoryOfOthersIsRefused) {
  ASSERT_EQ(chmod(Path("").c_str(), 0777), 0);
  EXPECT_EQ(DeploymentStore::Open(*sessions_).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(DeploymentStoreTest, NameThatIsAPathIsRefused) {
  StoredDeployment stored = Stored("a");
  stored.wanted.deployment.name = "../a";
  EXPECT_EQ(store_->Write(stored).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->Remove("..").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->Remove("").code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DeploymentStoreTest, RemovalLeavesNothing) {
  ASSERT_TRUE(store_->Write(Stored("a")).ok());
  std::filesystem::create_directory(Path("a"));
  Plant("a/web-1.lock", "");
  ASSERT_TRUE(store_->Remove("a").ok());
  EXPECT_TRUE(std::filesystem::is_empty(Path("")));
  EXPECT_TRUE(store_->Remove("a").ok());
}

}  // namespace
}  // namespace sessionctl
