// A program that checks, then acts: the victim of the race tests. It does one operation in a loop;
// before each attempt it makes sure, with lstat and realpath, that the name is no link and that its
// directory lies below the mount. Between that check and the act somebody else may have swapped a
// component.
//
//   path_victim --op NAME --mount DIR --dir DIR [--cwd DIR] [--make-leaf]
//               [--attempts N] [--seconds S] [--limit S] [--until-canary N] [--think US]
//
// Runs until N attempts were made and S seconds have passed (or SIGTERM, or the limit), then prints
// {"attempts":…,"ok":…,"denied":…,"refused":…,"canary":…,"errors":{"EXDEV":…}} on standard output.
// `refused` are the loops in which its own check said no.
#include <limits.h>
#include <signal.h>
#include <stdlib.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <string>

#include "tests/testcases/path_operations.h"

namespace {

using Clock = std::chrono::steady_clock;
using testcases::PathOperation;
using testcases::Scene;

volatile sig_atomic_t stop_requested = 0;

struct Arguments {
  const PathOperation* operation = nullptr;
  std::string mount;
  std::string directory;
  std::string cwd;
  bool make_leaf = false;
  long attempts = 1;
  double seconds = 0;
  double limit = 60;
  long until_canary = LONG_MAX;
  unsigned think_us = 40;
};

struct Counts {
  long attempts = 0;
  long ok = 0;
  long denied = 0;
  long refused = 0;
  long canary = 0;
  std::map<int, long> errors;
};

[[noreturn]] void Usage(const char* what) {
  fprintf(stderr, "path_victim: %s\n", what);
  exit(2);
}

Arguments ParseArguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--make-leaf") {
      arguments.make_leaf = true;
      continue;
    }
    if (i + 1 == argc) Usage("a flag lacks its value");
    const char* value = argv[++i];
    if (flag == "--op") {
      arguments.operation = testcases::FindPathOperation(value);
    } else if (flag == "--mount") {
      arguments.mount = value;
    } else if (flag == "--dir") {
      arguments.directory = value;
    } else if (flag == "--cwd") {
      arguments.cwd = value;
    } else if (flag == "--attempts") {
      arguments.attempts = atol(value);
    } else if (flag == "--seconds") {
      arguments.seconds = atof(value);
    } else if (flag == "--limit") {
      arguments.limit = atof(value);
    } else if (flag == "--until-canary") {
      arguments.until_canary = atol(value);
    } else if (flag == "--think") {
      arguments.think_us = static_cast<unsigned>(atol(value));
    } else {
      Usage("unknown flag");
    }
  }
  if (arguments.operation == nullptr || arguments.mount.empty() || arguments.directory.empty()) {
    Usage("--op, --mount and --dir are needed");
  }
  return arguments;
}

// The check of the check-then-act: true when everything looks as if the act would stay below the
// mount.
bool LooksSafe(const Arguments& arguments, const Scene& scene) {
  char real[PATH_MAX];
  if (realpath(scene.directory.c_str(), real) == nullptr) return false;
  const std::string_view directory = real;
  const std::string below = arguments.mount + "/";
  if (directory.substr(0, below.size()) != below) return false;
  struct stat status;
  if (lstat(scene.Name(arguments.operation->leaf).c_str(), &status) < 0) {
    return errno == ENOENT && !arguments.operation->leaf_must_exist;
  }
  return !S_ISLNK(status.st_mode) || !arguments.operation->follows_leaf;
}

// A different time at each attempt, so that no attacker's rhythm is missed for long.
void Think(unsigned most_us) {
  static unsigned state = 1;
  state = state * 1103515245 + 12345;
  if (most_us == 0) return;
  const auto until = Clock::now() + std::chrono::microseconds((state >> 16) % most_us);
  while (Clock::now() < until) {
  }
}

void Attempt(const Arguments& arguments, Scene& scene, Counts& counts) {
  testcases::PrepareScene(*arguments.operation, scene);
  if (!LooksSafe(arguments, scene)) {
    ++counts.refused;
    return;
  }
  Think(arguments.think_us);
  ++counts.attempts;
  scene.canary_seen = false;
  const int error = arguments.operation->perform(scene);
  if (scene.canary_seen) ++counts.canary;
  if (error == 0) {
    ++counts.ok;
  } else {
    ++counts.denied;
    ++counts.errors[error];
  }
}

void Print(const Counts& counts) {
  printf("{\"attempts\":%ld,\"ok\":%ld,\"denied\":%ld,\"refused\":%ld,\"canary\":%ld,\"errors\":{",
         counts.attempts, counts.ok, counts.denied, counts.refused, counts.canary);
  const char* comma = "";
  for (const auto& [error, count] : counts.errors) {
    printf("%s\"%s\":%ld", comma, strerrorname_np(error), count);
    comma = ",";
  }
  printf("}}\n");
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = ParseArguments(argc, argv);
  signal(SIGTERM, [](int) { stop_requested = 1; });

  Scene scene;
  scene.directory = arguments.directory;
  scene.scratch = arguments.mount + "/scratch";
  scene.home = arguments.cwd.empty() ? arguments.mount : arguments.cwd;
  scene.make_leaf = arguments.make_leaf;

  const Clock::time_point start = Clock::now();
  auto elapsed = [start] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  if (!arguments.cwd.empty()) {
    while (chdir(arguments.cwd.c_str()) < 0) {  // it may just be away
      if (elapsed() > arguments.limit) Usage("the working directory never came back");
    }
  }
  Counts counts;
  while (!stop_requested && elapsed() < arguments.limit && counts.canary < arguments.until_canary &&
         (counts.attempts < arguments.attempts || elapsed() < arguments.seconds)) {
    Attempt(arguments, scene, counts);
  }
  Print(counts);
  return 0;
}
