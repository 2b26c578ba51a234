#include "tests/harness/user_and_view.h"

#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace harness {
namespace {

constexpr int kSkipped = 77;
// Empty for everybody but this program, which has a namespace of its own.
constexpr char kBuiltPlace[] = "/mnt";

std::string& BuiltRoot() {
  static std::string& root = *new std::string(SESSIONCTL_BUILD_TREE);
  return root;
}

bool IsAskedFor(const std::string& word) {
  const char* words = getenv("SESSIONCTL_TEST_AS");
  if (words == nullptr) return false;
  return ("+" + std::string(words) + "+").find("+" + word + "+") != std::string::npos;
}

[[noreturn]] void Skip(const char* what) {
  fprintf(stderr, "SKIPPED: needs %s, to run as an ordinary user: %s\n", what, strerror(errno));
  exit(kSkipped);
}

}  // namespace

bool InPrivateView() { return IsAskedFor("private"); }

std::string Built(const std::string& path) { return BuiltRoot() + "/" + path; }

void BecomeTestUser() {
  if (!IsAskedFor("ordinary") || geteuid() != 0) return;
  if (unshare(CLONE_NEWNS) != 0) Skip("a mount namespace");
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) Skip("private mounts");
  if (mount(SESSIONCTL_BUILD_TREE, kBuiltPlace, nullptr, MS_BIND, nullptr) != 0) {
    Skip("a bind mount");
  }
  BuiltRoot() = kBuiltPlace;
  if (setgroups(0, nullptr) != 0 || setresgid(kOrdinaryUser, kOrdinaryUser, kOrdinaryUser) != 0 ||
      setresuid(kOrdinaryUser, kOrdinaryUser, kOrdinaryUser) != 0) {
    Skip("root's right to become somebody else");
  }
  prctl(PR_SET_DUMPABLE, 1);
}

}  // namespace harness
