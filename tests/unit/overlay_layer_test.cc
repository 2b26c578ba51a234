#include "supervisor/overlay_layer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "sandbox/base/syscalls.h"
#include "sandbox/safe_file.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

class OverlayLayerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "overlay_layer_test.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    fs::create_directory(root_ / "session");
    fs::create_directory(root_ / "lower");
    session_ = std::move(*OpenAt(AT_FDCWD, (root_ / "session").c_str(), O_RDONLY | O_DIRECTORY));
    layer_.host = root_ / "lower";
    layer_.guest = "/mnt/data";
  }
  void TearDown() override { fs::remove_all(root_); }

  absl::StatusOr<OwnedFd> Make(int index) {
    SysResult<OwnedFd> lower = OpenAt(AT_FDCWD, layer_.host.c_str(), O_RDONLY | O_DIRECTORY);
    return MakeOverlayLayer(session_.get(), index, lower->get(), &layer_);
  }

  fs::path root_;
  OwnedFd session_;
  OverlayLayer layer_;
};

TEST_F(OverlayLayerTest, WhatWasMadeIsFoundAgain) {
  layer_.on_exit = OnExit::kCommit;
  ASSERT_TRUE(Make(3).ok());
  layer_.guest = "/mnt/other";
  ASSERT_TRUE(Make(0).ok());
  const absl::StatusOr<std::vector<HeldOverlayLayer>> layers = OpenOverlayLayers(session_.get());
  ASSERT_TRUE(layers.ok()) << layers.status();
  ASSERT_EQ(layers->size(), 2U);
  EXPECT_EQ((*layers)[0].index, 0);
  const HeldOverlayLayer& held = (*layers)[1];
  EXPECT_EQ(held.index, 3);
  EXPECT_EQ(held.layer.host, layer_.host);
  EXPECT_EQ(held.layer.guest, "/mnt/data");
  EXPECT_EQ(held.layer.on_exit, OnExit::kCommit);
  EXPECT_TRUE(OpenDirectoryBeneath(held.directory.get(), kOverlayUpper).ok());
  EXPECT_TRUE(OpenDirectoryBeneath(held.directory.get(), kOverlayWork).ok());
  EXPECT_TRUE(OpenLowerDirectory(held.layer).ok());
}

TEST_F(OverlayLayerTest, SessionWithoutOverlayHasNone) {
  const absl::StatusOr<std::vector<HeldOverlayLayer>> layers = OpenOverlayLayers(session_.get());
  ASSERT_TRUE(layers.ok());
  EXPECT_TRUE(layers->empty());
}

TEST_F(OverlayLayerTest, AnotherLowerDirectoryIsRefused) {
  ASSERT_TRUE(Make(0).ok());
  fs::rename(root_ / "lower", root_ / "elsewhere");
  EXPECT_EQ(OpenLowerDirectory(layer_).status().code(), absl::StatusCode::kNotFound);
  fs::create_directory(root_ / "lower");
  EXPECT_EQ(OpenLowerDirectory(layer_).status().code(), absl::StatusCode::kFailedPrecondition);
  fs::remove(root_ / "lower");
  fs::create_directory_symlink(root_ / "elsewhere", root_ / "lower");
  EXPECT_FALSE(OpenLowerDirectory(layer_).ok()) << "by a link, even to the same directory";
}

TEST_F(OverlayLayerTest, UpperDirectoryLooksLikeTheLower) {
  ASSERT_EQ(chmod(layer_.host.c_str(), 03771), 0);
  const bool attributes = setxattr(layer_.host.c_str(), "user.note", "hello", 5, 0) == 0;
  if (attributes) {
    ASSERT_EQ(setxattr(layer_.host.c_str(), "user.overlay.opaque", "y", 1, 0), 0);
  }
  if (geteuid() == 0) {
    ASSERT_EQ(chown(layer_.host.c_str(), 1234, 4321), 0);
    ASSERT_EQ(chmod(layer_.host.c_str(), 03771), 0);
  }
  ASSERT_TRUE(Make(0).ok());
  const fs::path upper = root_ / "session/overlay/0/upper";
  struct stat info;
  ASSERT_EQ(stat(upper.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 03771U);
  EXPECT_EQ(info.st_uid, geteuid() == 0 ? 1234U : geteuid());
  if (!attributes) return;
  char value[8] = {};
  EXPECT_EQ(getxattr(upper.c_str(), "user.note", value, sizeof(value)), 5);
  EXPECT_LT(getxattr(upper.c_str(), "user.overlay.opaque", value, sizeof(value)), 0);
}

TEST_F(OverlayLayerTest, PathThatIsNotUtf8IsRefused) {
  layer_.host = root_ / "a\xff";
  fs::create_directory(layer_.host);
  EXPECT_EQ(Make(0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(root_ / "session/overlay"));
}

TEST_F(OverlayLayerTest, SecondLayerOfAnIndexIsRefused) {
  ASSERT_TRUE(Make(0).ok());
  EXPECT_EQ(Make(0).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST(OverlayLayerJson, WhatIsWrongIsSaid) {
  const auto error = [](const char* json) {
    return std::string(OverlayLayerFromJson(json).status().message());
  };
  EXPECT_EQ(error("[]"), "layer.json: not a JSON object");
  EXPECT_EQ(error("{}"), "layer.json: no format");
  EXPECT_EQ(OverlayLayerFromJson(R"({"format":2})").status().code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(error(R"({"format":1,"host":"a","inode":1})"),
            "layer.json: \"host\" is not an absolute path");
  EXPECT_EQ(error(R"({"format":1,"host":"/a"})"), "layer.json: \"inode\" is not a number");
  EXPECT_EQ(error(R"({"format":1,"host":"/a","inode":1,"on_exit":"maybe"})"),
            "layer.json: \"on_exit\" is unknown");
}

}  // namespace
}  // namespace sessionctl
