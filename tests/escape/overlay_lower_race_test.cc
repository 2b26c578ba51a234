// Somebody changes the directory below while a session works in its overlay: exchanges directories
// for links that lead out, moves them away and back, removes files and replaces them by links. What
// the kernel shows then is undefined (Documentation/filesystems/overlayfs.rst). Nothing outside may
// be read or written by it, and what the session wrote can be looked at and committed afterwards.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/escape/overlay_scene.h"
#include "tests/harness/watched_tree.h"

namespace escape {
namespace {

constexpr int kDirectories = 60;
constexpr int kMostBareRounds = 20;  // until somebody loses a race that nobody has to lose

// Reads, appends to, replaces, makes and removes below each directory, over and over, for as long
// as it is told; says what it has seen of the outside.
constexpr char kVictim[] = R"(
import os, sys, time
end = time.monotonic() + float(sys.argv[1])
calls = done = 0
def attempt(f):
    global calls, done
    calls += 1
    try: f(); done += 1
    except OSError: pass
def read(path):
    with open(path) as file:
        if "CANARY" in file.read(): print("reached", flush=True)
def write(path, flags):
    fd = os.open(path, flags, 0o600)
    try: os.write(fd, b"session\n")
    finally: os.close(fd)
while time.monotonic() < end:
    for i in range(int(sys.argv[2])):
        d = "d%d" % i
        attempt(lambda: read(d + "/target"))
        attempt(lambda: write(d + "/target", os.O_WRONLY | os.O_APPEND))
        attempt(lambda: write(d + "/from", os.O_WRONLY | os.O_TRUNC))
        attempt(lambda: write(d + "/made", os.O_WRONLY | os.O_CREAT))
        attempt(lambda: os.rename(d + "/made", d + "/moved"))
        attempt(lambda: os.unlink(d + "/moved"))
        attempt(lambda: os.unlink(d + "/unlink-me"))
        attempt(lambda: os.chmod(d + "/target", 0o640))
        attempt(lambda: os.mkdir(d + "/n"))
        attempt(lambda: os.rmdir(d + "/n"))
        attempt(lambda: os.listdir(d))
print("calls %d done %d" % (calls, done))
)";

class OverlayLowerRace : public testing::Test {
 protected:
  OverlayLowerRace() : vault_(scene_.Path("vault")) {
    Populate();
    harness::MakeDirectory(scene_.Path("out"));
  }

  std::string Lower(int i, const std::string& rest = "") const {
    return scene_.lower() + "/d" + std::to_string(i) + rest;
  }
  void Populate() {
    for (int i = 0; i < kDirectories; ++i) {
      harness::RemoveTree(Lower(i));
      harness::PopulateScene(Lower(i), "lower\n");
      unlink(Lower(i, ".link").c_str());
      harness::MakeLink(vault_.path(), Lower(i, ".link"));
    }
  }

  // One turn of the attacker's: in the directory's place, a link, then nothing, then it again; its
  // file replaced by a link, removed, written anew.
  long Attack(int i) const {
    const std::string directory = Lower(i), link = Lower(i, ".link");
    const std::string away = scene_.Path("out/d" + std::to_string(i));
    long changes = 0;
    for (int turn = 0; turn < 2; ++turn) {
      changes +=
          renameat2(AT_FDCWD, directory.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE) == 0;
      usleep(50);
    }
    changes += rename(directory.c_str(), away.c_str()) == 0;
    usleep(50);
    changes += rename(away.c_str(), directory.c_str()) == 0;
    const std::string file = directory + "/target", other = directory + "/other";
    unlink(other.c_str());
    changes += symlink((vault_.path() + "/target").c_str(), other.c_str()) == 0;
    changes += rename(other.c_str(), file.c_str()) == 0;
    usleep(50);
    changes += unlink(file.c_str()) == 0;
    const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    changes += fd >= 0 && write(fd, "lower\n", 6) == 6;
    if (fd >= 0) close(fd);
    return changes;
  }

  // What the victim says while the directory below changes.
  harness::Outcome Race(harness::Command command, long* changes) {
    std::atomic<bool> stop = false;
    std::thread attacker([&] {
      for (int i = 0; !stop; i = (i + 1) % kDirectories) *changes += Attack(i);
    });
    command.time_limit = 60;
    const harness::Outcome outcome = harness::Run(command);
    stop = true;
    attacker.join();
    return outcome;
  }
  static std::vector<std::string> Victim(const char* seconds) {
    return {"/usr/bin/python3", "-c", kVictim, seconds, std::to_string(kDirectories)};
  }

  OverlayScene scene_;
  harness::WatchedTree vault_;
};

TEST_F(OverlayLowerRace, NothingOutsideIsReachedAndTheChangesCanBeCommitted) {
  long bare_changes = 0, changes = 0;
  bool reached = false, changed = false;
  for (int round = 0; round < kMostBareRounds && !(reached && changed); ++round) {
    const harness::Outcome bare =
        Race({.argv = Victim("1.5"), .directory = scene_.lower()}, &bare_changes);
    reached = reached || bare.out.find("reached") != std::string::npos;
    changed = vault_.CheckAndReset() || changed;
  }
  ASSERT_TRUE(reached && changed) << "the bare control was not led astray";
  Populate();
  vault_.Remember();
  const harness::Outcome session =
      Race({.argv = scene_.SessionArgv(Victim("2.5")), .directory = "/"}, &changes);
  EXPECT_FALSE(session.timed_out) << "it hangs";
  EXPECT_EQ(session.exit_code, 0) << session.err;
  EXPECT_EQ(session.out.find("reached"), std::string::npos) << session.out;
  EXPECT_EQ(session.out.substr(0, 6), "calls ") << session.out;
  EXPECT_GT(changes, 500);
  ASSERT_FALSE(vault_.CheckAndReset()) << "an escape:\n" << vault_.first_difference();
  const std::string id = scene_.Id();
  EXPECT_EQ(scene_.Cli({"diff", "--stat", id}).exit_code, 0);
  const harness::Outcome refused = scene_.Cli({"commit", id});
  EXPECT_EQ(refused.exit_code, 1) << "everything was changed below since the session began";
  EXPECT_NE((refused.out + refused.err).find("conflict"), std::string::npos) << refused.err;
  const harness::Outcome forced = scene_.Cli({"commit", "--force", id});
  EXPECT_EQ(forced.exit_code, 0) << forced.err;
  EXPECT_FALSE(vault_.CheckAndReset()) << vault_.first_difference();
  printf("  %ld changes below, %s", changes, session.out.c_str());
}

}  // namespace
}  // namespace escape
