#include "supervisor/session_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

class SessionLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "session_log.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
    SysResult<OwnedFd> fd = OpenAt(AT_FDCWD, path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_TRUE(fd.ok());
    directory_ = std::move(*fd);
  }
  void TearDown() override { fs::remove_all(path_); }

  SessionLog Create(const LogRule& rule) {
    SysResult<SessionLog> log = SessionLog::Create(directory_.get(), rule);
    EXPECT_TRUE(log.ok());
    return std::move(*log);
  }
  std::string ReadAll() {
    SessionLogReader reader(directory_.get());
    return ReadRest(&reader);
  }
  static std::string ReadRest(SessionLogReader* reader) {
    std::string all;
    for (;;) {
      SysResult<std::string> part = reader->Read(1000);
      EXPECT_TRUE(part.ok()) << part.error();
      if (!part.ok() || part->empty()) return all;
      all += *part;
    }
  }

  std::string path_;
  OwnedFd directory_;
};

std::string Lines(int first, int last) {
  std::string lines;
  for (int i = first; i <= last; ++i) lines += "line " + std::to_string(i) + "\n";
  return lines;
}

TEST_F(SessionLogTest, FilesFillToTheByteAndJoinToTheWhole) {
  SessionLog log = Create({.max_bytes = 4096, .max_files = 50});
  const std::string all = Lines(1, 5000);
  for (size_t at = 0; at < all.size(); at += 777) log.Append(all.substr(at, 777));
  EXPECT_EQ(log.written(), all.size());
  EXPECT_EQ(log.lost(), 0U);
  EXPECT_EQ(ReadAll(), all);
  EXPECT_EQ(fs::file_size(path_ + "/output.log.1"), 4096U);
  EXPECT_EQ(fs::file_size(path_ + "/output.log.3"), 4096U);
  for (const auto& entry : fs::directory_iterator(path_)) {
    EXPECT_TRUE(entry.path().filename().string().starts_with("output.log")) << entry;
  }
}

TEST_F(SessionLogTest, KeepsWhatTheRuleSaysAndKnowsWhat) {
  for (const int files : {1, 2, 3}) {
    fs::remove_all(path_);
    SetUp();
    SessionLog log = Create({.max_bytes = 4096, .max_files = files});
    const std::string all = Lines(1, 3000);
    log.Append(all);
    const std::string kept = ReadAll();
    EXPECT_EQ(kept, all.substr(log.first_kept()));
    EXPECT_LE(kept.size(), 4096U * static_cast<size_t>(files));
    EXPECT_GT(kept.size(), 4096U * static_cast<size_t>(files - 1));
    std::string read;
    for (uint64_t at = log.first_kept(); at < log.written();) {
      const std::string part = log.ReadAt(at, 500);
      ASSERT_FALSE(part.empty());
      read += part;
      at += part.size();
    }
    EXPECT_EQ(read, kept);
    EXPECT_EQ(log.ReadAt(log.written(), 10), "");
    if (log.first_kept() > 0) {
      EXPECT_EQ(log.ReadAt(log.first_kept() - 1, 10), "");
    }
  }
}

TEST_F(SessionLogTest, TailBeginsThatFarBeforeTheEnd) {
  SessionLog log = Create({.max_bytes = 4096, .max_files = 10});
  const std::string all = Lines(1, 1000);
  log.Append(all);
  for (const size_t most : {size_t{0}, size_t{1}, size_t{100}, size_t{5000}, all.size() * 2}) {
    SessionLogReader reader(directory_.get());
    ASSERT_TRUE(reader.SeekToTail(most).ok());
    EXPECT_EQ(ReadRest(&reader), all.substr(all.size() - std::min(most, all.size()))) << most;
  }
}

// By what the session has written in all: what was dropped counts.
TEST_F(SessionLogTest, SeekFindsAByteWhateverWasDropped) {
  SessionLog log = Create({.max_bytes = 4096, .max_files = 3});
  const std::string all = Lines(1, 3000);
  for (const size_t until : {size_t{100}, size_t{5000}, all.size()}) {
    log.Append(all.substr(log.written(), until - log.written()));
    const uint64_t kept = log.first_kept();
    for (const uint64_t wanted : {uint64_t{0}, kept, kept + 1, kept + 4095, kept + 4096,
                                  log.written() - 1, log.written(), log.written() + 7}) {
      SessionLogReader reader(directory_.get());
      ASSERT_TRUE(reader.SeekTo(wanted).ok());
      const uint64_t begin = std::clamp(wanted, kept, log.written());
      EXPECT_EQ(reader.position(), begin) << wanted;
      EXPECT_EQ(ReadRest(&reader), all.substr(begin, until - begin)) << wanted;
      EXPECT_EQ(reader.position(), log.written());
    }
  }
}

// Whoever reads too slowly can see that something is missing, and where it goes on.
TEST_F(SessionLogTest, PositionTellsWhatAReaderHasMissed) {
  SessionLog log = Create({.max_bytes = 4096, .max_files = 2});
  const std::string all = Lines(1, 3000);
  log.Append(all.substr(0, 6000));
  SessionLogReader reader(directory_.get());
  ASSERT_EQ(*reader.Read(100), all.substr(0, 100));
  log.Append(all.substr(6000));
  std::string read;
  uint64_t skipped = 0;
  for (;;) {
    const uint64_t before = reader.position();
    const SysResult<std::string> part = reader.Read(1000);
    ASSERT_TRUE(part.ok());
    if (part->empty()) break;
    EXPECT_EQ(*part, all.substr(reader.position() - part->size(), part->size()));
    skipped += reader.position() - part->size() - before;
  }
  EXPECT_EQ(reader.position(), all.size());
  EXPECT_EQ(skipped, log.first_kept() - 4096) << "its own file it could read to the end";
}

TEST_F(SessionLogTest, FollowerSeesEachByteOnceThroughRotations) {
  SessionLog log = Create({.max_bytes = 4096, .max_files = 90});
  const std::string all = Lines(1, 20000);
  std::atomic<bool> done = false;
  std::string seen;
  std::thread follower([&] {
    SessionLogReader reader(directory_.get());
    while (!done) seen += ReadRest(&reader);
    seen += ReadRest(&reader);
  });
  for (size_t at = 0; at < all.size(); at += 333) log.Append(all.substr(at, 333));
  done = true;
  follower.join();
  EXPECT_TRUE(seen == all) << seen.size() << " of " << all.size();
}

TEST_F(SessionLogTest, PlantedLinkIsReplacedNotFollowed) {
  SessionLog log = Create({.max_bytes = 4096, .max_files = 2});
  const std::string victim = path_ + "/victim";
  for (const char* name :
       {"output.log.1", "output.log.starts", ".output.log.new", ".output.log.full"}) {
    fs::create_symlink(victim, path_ + "/" + name);
  }
  log.Append(Lines(1, 2000));
  EXPECT_FALSE(fs::exists(victim));
  EXPECT_EQ(log.lost(), 0U);
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(path_ + "/output.log.1")));
}

TEST_F(SessionLogTest, WithoutADirectoryToRotateInTheBoundHoldsAndTheLossIsCounted) {
  SessionLog log = Create({.max_bytes = 4096, .max_files = 2});
  log.Append(std::string(4096, 'x'));
  fs::create_directory(path_ + "/.output.log.new");
  log.Append("lost");
  EXPECT_EQ(log.written(), 4096U);
  EXPECT_EQ(log.lost(), 4U);
  fs::remove(path_ + "/.output.log.new");
  log.Append("kept");
  EXPECT_EQ(log.written(), 4100U);
  EXPECT_EQ(ReadAll(), std::string(4096, 'x') + "kept");
}

}  // namespace
}  // namespace sessionctl
