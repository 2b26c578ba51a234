// CWE-61: a program that opens its lock file with a plain O_CREAT, and somebody who has put a link
// at that name.
#include <gtest/gtest.h>

#include "tests/escape/attack.h"

namespace escape {
namespace {

using harness::Command;
using harness::Outcome;

Outcome TakeLock(const AttackScene& scene, bool in_session) {
  const Command command = {.argv = {scene.Tool("lockfile_victim"), scene.mount() + "/app.lock"},
                           .directory = scene.mount()};
  return in_session ? harness::RunEither(scene.Flags(), command) : harness::Run(command);
}

TEST(LockFile, LinkToAFileDestroysItBareOnly) {
  for (const bool in_session : {false, true}) {
    AttackScene scene;
    harness::MakeLink(scene.vault().path() + "/target", scene.mount() + "/app.lock");
    const Outcome outcome = TakeLock(scene, in_session);
    EXPECT_EQ(scene.vault().CheckAndReset(), !in_session)
        << outcome.out << outcome.err << scene.vault().first_difference();
    EXPECT_EQ(outcome.exit_code, in_session ? 1 : 0) << outcome.out << outcome.err;
  }
}

TEST(LockFile, DanglingLinkCreatesItsTargetBareOnly) {
  for (const bool in_session : {false, true}) {
    AttackScene scene;
    harness::MakeLink(scene.vault().path() + "/created", scene.mount() + "/app.lock");
    const Outcome outcome = TakeLock(scene, in_session);
    EXPECT_EQ(scene.vault().CheckAndReset(), !in_session)
        << outcome.out << outcome.err << scene.vault().first_difference();
  }
}

TEST(LockFile, WithoutALinkTheLockIsTakenInSession) {
  AttackScene scene;
  const Outcome outcome = TakeLock(scene, true);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_EQ(outcome.out, "{\"locked\":1,\"denied\":0,\"busy\":0}\n");
}

}  // namespace
}  // namespace escape
