// The modes of hostile_caller that press: bytes that change under the call, many threads, no
// descriptor left, callers that are killed or interrupted.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "tests/testcases/hostile_calls.h"

namespace hostile {

int RunFlip(const std::string& inside, const std::string& outside, long rounds) {
  if (inside.size() != outside.size()) return 2;
  static char path[8192];
  static std::atomic<bool> stop = false;
  std::thread flipper([&] {
    while (!stop) {
      memcpy(path, outside.data(), outside.size());
      memcpy(path, inside.data(), inside.size());
    }
  });
  long ok = 0;
  long failed = 0;
  for (const Call& call : Calls()) {
    const char* name = call.leaf == Leaf::kFile        ? "target"
                       : call.leaf == Leaf::kDirectory ? "remove-me"
                                                       : "fresh";
    const std::string good = inside + "/" + name;
    const std::string other = inside + "/other";
    memcpy(path + inside.size(), ("/" + std::string(name)).c_str(), strlen(name) + 2);
    for (long i = 0; i < rounds; ++i) {
      if (call.leaf == Leaf::kFresh) {
        unlink(good.c_str());
        rmdir(good.c_str());
      } else {
        Put(good, call.leaf);
      }
      unlink(other.c_str());
      rmdir(other.c_str());
      Put(other, call.other_leaf);
      std::vector<long> args = call.args;
      for (long& arg : args) {
        if (arg == kPath) arg = Pointer(path);
        if (arg == kOther) arg = Pointer(other.c_str());
        if (arg == kDir) arg = AT_FDCWD;
      }
      const long result = Make(call, args);
      ++(result >= 0 ? ok : failed);
      if (result >= 0 && OpensDescriptor(call)) close(static_cast<int>(result));
    }
  }
  stop = true;
  flipper.join();
  printf("{\"calls\":%ld,\"ok\":%ld,\"failed\":%ld}\n", ok + failed, ok, failed);
  return 0;
}

int RunStorm(int threads, int rounds) {
  std::mutex mutex;
  std::map<std::string, long> errors;
  std::atomic<long> calls = 0;
  auto check = [&](const char* what, long result) {
    ++calls;
    if (result >= 0) return;
    const std::string error = std::string(what) + " " + strerrorname_np(errno);
    const std::lock_guard<std::mutex> lock(mutex);
    ++errors[error];
  };
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      const std::string a = "t" + std::to_string(t) + ".a";
      const std::string b = "t" + std::to_string(t) + ".b";
      const std::string d = "t" + std::to_string(t) + ".d";
      for (int i = 0; i < rounds; ++i) {
        const int fd = open(a.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        check("open", fd);
        if (fd >= 0) close(fd);
        check("rename", rename(a.c_str(), b.c_str()));
        check("link", link(b.c_str(), a.c_str()));
        check("unlink", unlink(a.c_str()));
        check("unlink", unlink(b.c_str()));
        check("mkdir", mkdir(d.c_str(), 0755));
        check("rmdir", rmdir(d.c_str()));
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  printf("{\"calls\":%ld,\"errors\":%zu}\n", calls.load(), errors.size());
  for (const auto& [error, count] : errors) fprintf(stderr, "%s: %ld\n", error.c_str(), count);
  return 0;
}

int RunEmfile() {
  const rlimit limit = {64, 64};
  setrlimit(RLIMIT_NOFILE, &limit);
  Put("file", Leaf::kFile);
  int last = -1;
  for (int i = 0; i < 100; ++i) {
    const int fd = open("file", O_WRONLY);
    if (fd < 0) break;
    last = fd;
  }
  printf("{\"highest\":%d}\n", last);
  Report("open", "no-descriptor-left", open("file", O_WRONLY));
  Report("openat-creat", "no-descriptor-left", open("fresh", O_WRONLY | O_CREAT | O_EXCL, 0644));
  struct stat status;
  Report("stat", "created-without-descriptor", stat("fresh", &status));
  Report("mkdir", "needs-none", mkdir("made", 0755));
  close(last);
  Report("open", "one-free-again", open("file", O_WRONLY));
  return 0;
}

namespace {

[[noreturn]] void CallForever(int number) {
  const std::string a = "k" + std::to_string(number);
  for (;;) {
    const int fd = open(a.c_str(), O_WRONLY | O_CREAT, 0644);
    if (fd >= 0) close(fd);
    rename(a.c_str(), (a + ".b").c_str());
    unlink((a + ".b").c_str());
  }
}

}  // namespace

int RunKilled(int rounds) {
  int killed = 0;
  for (int i = 0; i < rounds; ++i) {
    const pid_t child = fork();
    if (child == 0) CallForever(i % 8);
    usleep(static_cast<useconds_t>(i * 37 % 1500));
    kill(child, SIGKILL);
    int status;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ++killed;
  }
  printf("{\"killed\":%d}\n", killed);
  Report("mkdir", "afterwards", mkdir("afterwards", 0755));
  return 0;
}

int RunSignals(int rounds) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  const itimerval every = {{0, 200}, {0, 200}};
  setitimer(ITIMER_REAL, &every, nullptr);
  std::map<int, int> errors;
  for (int i = 0; i < rounds; ++i) {
    const std::string name = "s" + std::to_string(i);
    const int fd = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0) ++errors[errno];
    if (fd >= 0) close(fd);
    if (unlink(name.c_str()) < 0) ++errors[errno];
  }
  const itimerval off = {};
  setitimer(ITIMER_REAL, &off, nullptr);
  printf("{\"rounds\":%d,\"errors\":%zu}\n", rounds, errors.size());
  for (const auto& [error, count] : errors)
    fprintf(stderr, "%s: %d\n", strerrorname_np(error), count);
  return 0;
}

}  // namespace hostile
