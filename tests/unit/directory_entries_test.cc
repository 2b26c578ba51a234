#include "supervisor/mediator/directory_entries.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace sessionctl {
namespace {

// struct linux_dirent64, as the kernel writes it.
std::string Entry(const std::string& name, int64_t offset, char type = DT_REG) {
  const auto length = static_cast<uint16_t>((19 + name.size() + 1 + 7) / 8 * 8);
  std::string entry(length, '\0');
  const uint64_t inode = 7;
  memcpy(entry.data(), &inode, sizeof(inode));
  memcpy(entry.data() + 8, &offset, sizeof(offset));
  memcpy(entry.data() + 16, &length, sizeof(length));
  entry[18] = type;
  memcpy(entry.data() + 19, name.data(), name.size());
  return entry;
}

bool IsSecret(std::string_view name) { return name.starts_with("secret"); }

VisibleEntries Select(const std::string& entries, size_t room = 4096,
                      EntryFormat format = EntryFormat::kGetdents64) {
  return SelectEntries(entries, room, format, IsSecret);
}

TEST(SelectEntries, HiddenNamesAreLeftOutAndTheOthersAreAsTheyWere) {
  const std::string a = Entry("a", 1);
  const std::string b = Entry("b", 3, DT_DIR);
  const VisibleEntries visible = Select(a + Entry("secret", 2) + b);
  EXPECT_EQ(visible.bytes, a + b);
  EXPECT_EQ(visible.looked_at, 3U);
  EXPECT_EQ(visible.position, 3);
  EXPECT_TRUE(visible.all);
}

TEST(SelectEntries, PositionIsBehindHiddenNamesAtTheEnd) {
  const VisibleEntries visible = Select(Entry("a", 1) + Entry("secret1", 2) + Entry("secret2", 9));
  EXPECT_EQ(visible.bytes, Entry("a", 1));
  EXPECT_EQ(visible.position, 9);
}

TEST(SelectEntries, OnlyHiddenNamesGiveNothingAndSaySo) {
  const VisibleEntries visible = Select(Entry("secret", 5));
  EXPECT_TRUE(visible.bytes.empty());
  EXPECT_TRUE(visible.all);
  EXPECT_EQ(visible.position, 5);
}

TEST(SelectEntries, WhatFindsNoRoomIsLeftForTheNextCall) {
  const std::string a = Entry("a", 1);
  const std::string b = Entry("b", 2);
  const VisibleEntries visible = Select(a + b, a.size() + b.size() - 1);
  EXPECT_EQ(visible.bytes, a);
  EXPECT_EQ(visible.position, 1);
  EXPECT_FALSE(visible.all);
}

TEST(SelectEntries, HiddenNameThatWouldNotFitIsPassed) {
  const std::string a = Entry("a", 2);
  const VisibleEntries visible = Select(Entry("secret" + std::string(200, 'x'), 1) + a, a.size());
  EXPECT_EQ(visible.bytes, a);
  EXPECT_TRUE(visible.all);
}

TEST(SelectEntries, NoRoomForTheFirstSaysThatNothingWasLookedAt) {
  const VisibleEntries visible = Select(Entry("a", 1), 3);
  EXPECT_TRUE(visible.bytes.empty());
  EXPECT_FALSE(visible.all);
  EXPECT_EQ(visible.looked_at, 0U);
}

TEST(SelectEntries, DotsAreNeverAskedAbout) {
  const std::string dots = Entry(".", 1, DT_DIR) + Entry("..", 2, DT_DIR);
  const auto everything = [](std::string_view) { return true; };
  EXPECT_EQ(SelectEntries(dots + Entry("x", 3), 4096, EntryFormat::kGetdents64, everything).bytes,
            dots);
}

TEST(SelectEntries, BytesThatAreNoEntryEndIt) {
  const std::string a = Entry("a", 1);
  std::string torn = Entry("b", 2);
  torn.resize(torn.size() - 1);
  EXPECT_EQ(Select(a + torn).bytes, a);
  EXPECT_EQ(Select(a + std::string(24, '\0')).bytes, a) << "a length of 0";
  EXPECT_EQ(Select(a + "short").bytes, a);
}

#ifdef SYS_getdents
// The kernel's own two formats are the reference.
TEST(SelectEntries, OlderFormatIsTheKernelsOwn) {
  char scratch[] = "/tmp/directory_entries.XXXXXX";
  ASSERT_NE(mkdtemp(scratch), nullptr);
  for (int i = 1; i < 20; ++i) {
    close(open((scratch + std::string("/") + std::string(static_cast<size_t>(i), 'n')).c_str(),
               O_CREAT | O_WRONLY, 0600));
  }
  const auto read_by = [&](long nr) {
    const int fd = open(scratch, O_RDONLY | O_DIRECTORY);
    std::string bytes(8192, '\0');
    const long size = syscall(nr, fd, bytes.data(), bytes.size());
    close(fd);
    bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return bytes;
  };
  const std::string newer = read_by(SYS_getdents64);
  const auto nothing = [](std::string_view) { return false; };
  std::string ours = SelectEntries(newer, 8192, EntryFormat::kGetdents, nothing).bytes;
  std::string kernels = read_by(SYS_getdents);
  ASSERT_FALSE(kernels.empty());
  ASSERT_EQ(ours.size(), kernels.size());
  for (size_t at = 0; at < ours.size();) {  // the kernel leaves the padding as it was
    uint16_t length = 0;
    memcpy(&length, ours.data() + at + 16, sizeof(length));
    EXPECT_EQ(ours.substr(at, 18), kernels.substr(at, 18));
    EXPECT_STREQ(ours.data() + at + 18, kernels.data() + at + 18);
    EXPECT_EQ(ours[at + length - 1], kernels[at + length - 1]);
    at += length;
  }
  std::filesystem::remove_all(scratch);
}
#endif

}  // namespace
}  // namespace sessionctl
