// A place that is remembered is asked for again: whatever was moved, replaced or removed meanwhile
// is noticed.
#include "supervisor/mediator/known_places.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

class KnownPlacesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "placesXXXXXX";
    root_ = fs::canonical(mkdtemp(pattern.data()));
    fs::create_directories(root_ / "a/sub/deep");
    fs::create_directories(root_ / "b");
    fs::create_directories(root_ / "outside");
    UseMounts({"a", "b"});
  }
  void TearDown() override { fs::remove_all(root_); }

  void UseMounts(const std::vector<std::string>& names) {
    policy_.mounts.clear();
    for (const std::string& name : names) {
      CompiledMount mount;
      mount.mount.host = mount.mount.guest = mount.mount.alias = root_ / name;
      policy_.mounts.push_back(mount);
    }
    absl::StatusOr<SessionView> view = SessionView::Create(policy_);
    ASSERT_TRUE(view.ok()) << view.status();
    view_ = std::make_unique<SessionView>(*std::move(view));
  }
  FileIdentity Open(const std::string& name) {
    SysResult<OwnedFd> opened = OpenAt(AT_FDCWD, (root_ / name).c_str(), O_PATH);
    EXPECT_TRUE(opened.ok()) << name;
    held_ = std::move(*opened);
    return *Identify(held_.get());
  }
  // "MOUNT:PATH" or "unknown".
  std::string Find(const FileIdentity& directory) {
    std::string below;
    const MountView* mount = places_.Find(*view_, directory, &below);
    if (mount == nullptr) return "unknown";
    return fs::path(mount->guest()).filename().string() + ":" + below;
  }
  FileIdentity Remember(const std::string& name, size_t mount, const std::string& below) {
    const FileIdentity directory = Open(name);
    places_.Remember(*view_, directory, &view_->mounts()[mount], below);
    return directory;
  }

  fs::path root_;
  CompiledPolicy policy_;
  std::unique_ptr<SessionView> view_;
  KnownPlaces places_;
  OwnedFd held_;
};

TEST_F(KnownPlacesTest, RootsAreKnownFromTheBeginning) {
  EXPECT_EQ(Find(Open("a")), "a:");
  EXPECT_EQ(Find(Open("b")), "b:");
  EXPECT_EQ(Find(Open("a/sub")), "unknown");
  EXPECT_EQ(Find(Open("outside")), "unknown");
}

TEST_F(KnownPlacesTest, RememberedOneIsFoundWhileItIsThere) {
  const FileIdentity sub = Remember("a/sub", 0, "sub");
  EXPECT_EQ(Find(sub), "a:sub");
  fs::rename(root_ / "a/sub", root_ / "outside/sub");
  EXPECT_EQ(Find(sub), "unknown");
  fs::create_directory(root_ / "a/sub");  // another one under the same name
  EXPECT_EQ(Find(sub), "unknown");
  fs::remove(root_ / "a/sub");
  fs::create_symlink(root_ / "outside/sub", root_ / "a/sub");  // a link to the very same
  EXPECT_EQ(Find(sub), "unknown");
  fs::remove(root_ / "a/sub");
  fs::rename(root_ / "outside/sub", root_ / "a/sub");
  EXPECT_EQ(Find(sub), "a:sub");
}

TEST_F(KnownPlacesTest, MovedInItsMountIsNotFoundUnderItsOldPath) {
  const FileIdentity deep = Remember("a/sub/deep", 0, "sub/deep");
  fs::rename(root_ / "a/sub", root_ / "a/other");
  EXPECT_EQ(Find(deep), "unknown");
  places_.Remember(*view_, deep, &view_->mounts()[0], "other/deep");
  EXPECT_EQ(Find(deep), "a:other/deep");
}

TEST_F(KnownPlacesTest, MovedToAnotherMountIsNotFoundInTheFirst) {
  const FileIdentity sub = Remember("a/sub", 0, "sub");
  fs::rename(root_ / "a/sub", root_ / "b/sub");
  EXPECT_EQ(Find(sub), "unknown");
}

TEST_F(KnownPlacesTest, RemovedOneIsUnknown) {
  Remember("a/sub/deep", 0, "sub/deep");
  fs::remove(root_ / "a/sub/deep");
  EXPECT_EQ(Find(*Identify(held_.get())), "unknown");
}

TEST_F(KnownPlacesTest, MountRootThatWasMovedStaysKnown) {
  const FileIdentity sub = Remember("a/sub", 0, "sub");
  fs::rename(root_ / "a", root_ / "moved");
  fs::create_directories(root_ / "a/sub");
  EXPECT_EQ(Find(sub), "a:sub");
  EXPECT_EQ(Find(Open("moved")), "a:");
  EXPECT_EQ(Find(Open("a")), "unknown");
  EXPECT_EQ(Find(Open("a/sub")), "unknown");
}

TEST_F(KnownPlacesTest, AmongMountsInMountsNothingIsRemembered) {
  UseMounts({"a/sub", "a"});
  const FileIdentity deep = Remember("a/sub/deep", 1, "sub/deep");
  EXPECT_EQ(Find(deep), "unknown");
  EXPECT_EQ(Find(Open("a/sub")), "sub:");
}

TEST_F(KnownPlacesTest, WhatAnotherSessionRememberedIsNoPlaceOfThisOne) {
  const FileIdentity sub = Remember("a/sub", 0, "sub");
  UseMounts({"b"});
  EXPECT_EQ(Find(sub), "unknown");
}

}  // namespace
}  // namespace sessionctl
