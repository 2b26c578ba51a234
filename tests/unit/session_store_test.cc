#include "supervisor/session_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

class SessionStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "session_store_test.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    absl::StatusOr<SessionStore> store = SessionStore::Open(root_ / "state");
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void TearDown() override { fs::remove_all(root_); }

  // A session on disk whose monitor, if any, is the lock that the caller holds.
  SessionDirectory Make(const std::string& id, SessionState state, const std::string& name = "") {
    SessionDirectory directory = *store_->Create(id);
    SessionRecord record;
    record.id = id;
    record.name = name;
    record.state = state;
    record.created = CurrentTimestamp();
    EXPECT_TRUE(directory.WriteRecord(record, Durability::kFast).ok());
    EXPECT_TRUE(LockFile::Acquire(directory.fd(), kSessionLockFile, LockWait::kTry).ok());
    EXPECT_TRUE(store_->Publish(directory).ok());
    return directory;
  }

  fs::path root_;
  std::optional<SessionStore> store_;
};

SessionRecord FullRecord() {
  SessionRecord record;
  record.id = "0123456789ab";
  record.name = "web-1";
  record.command = {"python3", "-c", "print('a b')"};
  record.mounts = {{"/srv/data", "ro", "/mnt/data", true}, {"/srv/out", "rw", "/srv/out"}};
  record.monitor = {10, 100};
  record.broker = {11, 101};
  record.process = {12, 102};
  record.state = SessionState::kExited;
  record.created = "2026-01-31T12:00:00.000Z";
  record.started = "2026-01-31T12:00:00.010Z";
  record.ended = "2026-01-31T12:00:01.000Z";
  record.exit = SessionExit{.code = {}, .signal = 15, .reason = "signal"};
  record.mediated_calls = 7;
  record.denials = 3;
  record.missing_walls = {"landlock ABI 6"};
  record.user = "daemon";
  record.capabilities = {"chown"};
  record.warnings = {"a warning"};
  return record;
}

TEST(SessionRecord, RoundTripKeepsEverything) {
  const std::string text = RecordToJson(FullRecord());
  absl::StatusOr<SessionRecord> read = RecordFromJson(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(RecordToJson(*read), text);
  EXPECT_EQ(read->exit->signal, 15);
  EXPECT_EQ(read->process.start_ticks, 102U);
}

TEST(SessionRecord, CommandThatIsNotUtf8StillWritesJson) {
  SessionRecord record = FullRecord();
  record.command = {"\xff\xfe"};
  EXPECT_TRUE(RecordFromJson(RecordToJson(record)).ok());
}

TEST(SessionRecord, GarbageIsDataLoss) {
  for (const char* text :
       {"", "{", "[]", "null", "{}", R"({"id":"x","state":"running"})",
        R"({"id":"0123456789ab","state":"sleeping"})", R"({"id":12,"state":"running"})"}) {
    EXPECT_EQ(RecordFromJson(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST(SessionRecord, IllTypedMembersAreDefaults) {
  absl::StatusOr<SessionRecord> record = RecordFromJson(
      R"({"id":"0123456789ab","state":"running","name":7,"command":"x","mounts":[1,{}],
          "process":{"pid":"1"},"exit":[],"denials":"many"})");
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->name, "");
  EXPECT_TRUE(record->command.empty());
  EXPECT_EQ(record->process.pid, 0);
  EXPECT_FALSE(record->exit.has_value());
}

TEST(SessionRecord, ShellExitCodeCounts) {
  EXPECT_EQ(ShellExitCode({.code = 3, .signal = {}, .reason = ""}), 3);
  EXPECT_EQ(ShellExitCode({.code = {}, .signal = 9, .reason = ""}), 137);
  EXPECT_EQ(ShellExitCode({.code = {}, .signal = {}, .reason = "broker lost"}), 125);
}

TEST(SessionId, IsTwelveHexDigitsAndNew) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = NewSessionId();
    EXPECT_EQ(id.size(), 12U);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(ProcessIdentity, SignalsOnlyTheProcessWithThatStartTime) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (;;) pause();
  }
  absl::StatusOr<ProcessIdentity> identity = IdentifyProcess(child);
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_GT(identity->start_ticks, 0U);
  const ProcessIdentity reused = {.pid = child, .start_ticks = identity->start_ticks + 1};
  EXPECT_EQ(SignalProcess(reused, SIGKILL).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(kill(child, 0), 0);
  EXPECT_TRUE(SignalProcess(*identity, SIGKILL).ok());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_EQ(SignalProcess(*identity, SIGKILL).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(SignalProcess({}, SIGKILL).code(), absl::StatusCode::kNotFound);
}

TEST_F(SessionStoreTest, RunningWithoutLockIsLost) {
  SessionDirectory directory = Make("0123456789ab", SessionState::kRunning);
  {
    SysResult<LockFile> lock = LockFile::Acquire(directory.fd(), kSessionLockFile, LockWait::kTry);
    ASSERT_TRUE(lock.ok());
    EXPECT_EQ(directory.CurrentRecord()->state, SessionState::kRunning);
  }
  EXPECT_EQ(directory.CurrentRecord()->state, SessionState::kLost);
  EXPECT_EQ(directory.CurrentRecord()->exit->reason, "monitor lost");
  EXPECT_EQ(directory.ReadRecord()->state, SessionState::kRunning) << "looking changes nothing";
}

TEST_F(SessionStoreTest, UnpublishedSessionIsInvisible) {
  absl::StatusOr<SessionDirectory> directory = store_->Create("0123456789ab");
  ASSERT_TRUE(directory.ok());
  EXPECT_TRUE(store_->List().empty());
  EXPECT_FALSE(store_->Find("0123456789ab").ok());
  store_->Discard(*directory);
  EXPECT_TRUE(fs::is_empty(store_->path()));
}

TEST_F(SessionStoreTest, ResolveTakesIdNameAndBeginning) {
  Make("aaaa00000001", SessionState::kExited, "web");
  Make("aaaa00000002", SessionState::kExited, "aaaa00000001");
  Make("bbbb00000001", SessionState::kExited);
  EXPECT_EQ(*store_->Resolve("web"), "aaaa00000001");
  EXPECT_EQ(*store_->Resolve("aaaa00000001"), "aaaa00000001") << "an id goes before a name";
  EXPECT_EQ(*store_->Resolve("b"), "bbbb00000001");
  EXPECT_EQ(store_->Resolve("aaaa").status().code(), absl::StatusCode::kInvalidArgument);
  for (const char* unknown : {"", "cccc", "../state", "/", ".", "we"}) {
    EXPECT_EQ(store_->Resolve(unknown).status().code(), absl::StatusCode::kNotFound) << unknown;
  }
}

TEST_F(SessionStoreTest, RemoveRefusesARunningSession) {
  SessionDirectory directory = Make("0123456789ab", SessionState::kRunning);
  SysResult<LockFile> lock = LockFile::Acquire(directory.fd(), kSessionLockFile, LockWait::kTry);
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(store_->Remove("0123456789ab").code(), absl::StatusCode::kFailedPrecondition);
  { LockFile released = std::move(*lock); }
  EXPECT_TRUE(store_->Remove("0123456789ab").ok());
  EXPECT_EQ(store_->Remove("0123456789ab").code(), absl::StatusCode::kNotFound);
}

TEST_F(SessionStoreTest, StrangeEntriesAreLeftOut) {
  Make("0123456789ab", SessionState::kExited);
  fs::create_directory(root_ / "state" / "not-an-id");
  fs::create_directory(root_ / "state" / "aaaaaaaaaaaa");  // no state.json
  fs::create_directory_symlink("0123456789ab", root_ / "state" / "bbbbbbbbbbbb");
  std::ofstream(root_ / "state" / "cccccccccccc") << "a file";
  EXPECT_EQ(store_->List().size(), 1U);
}

TEST_F(SessionStoreTest, AbandonedStartsAreRemovedOnceOld) {
  ASSERT_TRUE(store_->Create("aaaaaaaaaaaa").ok());
  absl::StatusOr<SessionDirectory> old = store_->Create("bbbbbbbbbbbb");
  ASSERT_TRUE(old.ok());
  const timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 0}, {.tv_sec = 1000, .tv_nsec = 0}};
  ASSERT_EQ(futimens(old->fd(), times), 0);
  store_->RemoveAbandonedStarts();
  EXPECT_TRUE(fs::exists(root_ / "state" / ".new-aaaaaaaaaaaa"));
  EXPECT_FALSE(fs::exists(root_ / "state" / ".new-bbbbbbbbbbbb"));
}

TEST_F(SessionStoreTest, OpenRefusesWhatOthersMayWriteOrALink) {
  fs::create_directory(root_ / "open");
  fs::permissions(root_ / "open", fs::perms(0777));
  EXPECT_EQ(SessionStore::Open(root_ / "open").status().code(),
            absl::StatusCode::kPermissionDenied);
  fs::create_directory_symlink(root_ / "state", root_ / "link");
  EXPECT_FALSE(SessionStore::Open(root_ / "link").ok());
}

// Runs `body` with the environment changed, in a child: the environment of the test program stays.
template <typename Body>
bool HoldsInChild(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_F(SessionStoreTest, DefaultPathPrefersTheOverride) {
  EXPECT_TRUE(HoldsInChild([] {
    setenv("SESSIONCTL_STATE_DIR", "/somewhere", 1);
    return *SessionStore::DefaultPath() == "/somewhere";
  }));
  EXPECT_TRUE(HoldsInChild([] {
    setenv("SESSIONCTL_STATE_DIR", "relative", 1);
    return !SessionStore::DefaultPath().ok();
  }));
}

TEST_F(SessionStoreTest, DefaultPathOfAnOrdinaryUserFollowsXdg) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const std::string runtime = root_ / "runtime";
  fs::create_directory(runtime);
  fs::permissions(runtime, fs::perms(0700));
  ASSERT_EQ(chown(runtime.c_str(), 12345, 12345), 0);
  fs::permissions(root_, fs::perms(0755));
  const auto as_user = [&](uid_t uid, const std::string& expected) {
    return HoldsInChild([&] {
      unsetenv("SESSIONCTL_STATE_DIR");
      unsetenv("XDG_STATE_HOME");
      setenv("XDG_RUNTIME_DIR", runtime.c_str(), 1);
      setenv("HOME", "/home/somebody", 1);
      if (setresuid(uid, uid, uid) != 0) return false;
      return *SessionStore::DefaultPath() == expected;
    });
  };
  EXPECT_TRUE(as_user(12345, runtime + "/sessionctl"));
  EXPECT_TRUE(as_user(12346, "/home/somebody/.local/state/sessionctl")) << "not ours";
}

}  // namespace
}  // namespace sessionctl
