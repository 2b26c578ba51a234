// Times single calls, each by itself, and prints one JSON object a line: what run.py compares from
// one sandbox to the next. Works below the current directory, in a directory of its own that it
// removes.
//
//   calls COUNT [OP[/STYLE[/THREADS]]…]     all of them without a list
//
// A thread of several makes COUNT calls too, on files of its own.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kWarmUp = 50;

[[noreturn]] void Die(const char* what) {
  fprintf(stderr, "calls: %s: %s\n", what, strerror(errno));
  exit(1);
}

void Check(bool done, const char* what) {
  if (!done) Die(what);
}

// How a name is spelled: the directory descriptor and what stands before the name.
struct Spelling {
  const char* style;
  int dirfd = AT_FDCWD;
  std::string prefix;
};

struct Work {
  const Spelling* spelling;
  std::string own;    // this thread's file, there all the time
  std::string other;  // a name that is free between two calls
  std::string Path(const std::string& name) const { return spelling->prefix + name; }
};

using Call = void (*)(const Work&, const char* own, const char* other);

void OpenRead(const Work& work, const char* own, const char*) {
  const int fd = openat(work.spelling->dirfd, own, O_RDONLY);
  Check(fd >= 0, "open");
  close(fd);
}

void OpenWrite(const Work& work, const char* own, const char*) {
  const int fd = openat(work.spelling->dirfd, own, O_WRONLY);
  Check(fd >= 0, "open for writing");
  close(fd);
}

void CreateUnlink(const Work& work, const char*, const char* other) {
  const int fd = openat(work.spelling->dirfd, other, O_WRONLY | O_CREAT | O_EXCL, 0644);
  Check(fd >= 0, "create");
  close(fd);
  Check(unlinkat(work.spelling->dirfd, other, 0) == 0, "unlink");
}

void Rename(const Work& work, const char* own, const char* other) {
  Check(renameat(work.spelling->dirfd, own, work.spelling->dirfd, other) == 0, "rename");
  Check(renameat(work.spelling->dirfd, other, work.spelling->dirfd, own) == 0, "rename back");
}

void MkdirRmdir(const Work& work, const char*, const char* other) {
  Check(mkdirat(work.spelling->dirfd, other, 0755) == 0, "mkdir");
  Check(unlinkat(work.spelling->dirfd, other, AT_REMOVEDIR) == 0, "rmdir");
}

void Stat(const Work& work, const char* own, const char*) {
  struct stat info;
  Check(fstatat(work.spelling->dirfd, own, &info, 0) == 0, "stat");
}

void Read4k(const Work& work, const char* own, const char*) {
  static thread_local char block[4096];
  const int fd = openat(work.spelling->dirfd, own, O_RDONLY);
  Check(fd >= 0 && read(fd, block, sizeof(block)) == sizeof(block), "read");
  close(fd);
}

void Chmod(const Work& work, const char* own, const char*) {
  Check(fchmodat(work.spelling->dirfd, own, 0644, 0) == 0, "chmod");
}

// Only where there is a floor: it answers, the kernel does not know such a process group.
void RoundTrip(const Work&, const char*, const char*) { syscall(SYS_getpgid, 0x5e55); }

struct Operation {
  const char* name;
  Call call;
  int calls;  // mediated ones in it, for which the time is divided
};

constexpr Operation kOperations[] = {{"open-read", OpenRead, 1},
                                     {"open-write", OpenWrite, 1},
                                     {"create+unlink", CreateUnlink, 2},
                                     {"rename", Rename, 2},
                                     {"mkdir+rmdir", MkdirRmdir, 2},
                                     {"stat", Stat, 1},
                                     {"read-4k", Read4k, 1},
                                     {"chmod", Chmod, 1},
                                     {"round-trip", RoundTrip, 1}};

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

std::vector<int64_t> Measure(const Operation& operation, const Work& work, int count) {
  const std::string own = work.Path(work.own);
  const std::string other = work.Path(work.other);
  const int fd = openat(work.spelling->dirfd, own.c_str(), O_WRONLY | O_CREAT, 0644);
  Check(fd >= 0 && ftruncate(fd, 4096) == 0, own.c_str());
  close(fd);
  for (int i = 0; i < kWarmUp; ++i) operation.call(work, own.c_str(), other.c_str());
  std::vector<int64_t> times(static_cast<size_t>(count));
  for (int64_t& time : times) {
    const int64_t begin = Now();
    operation.call(work, own.c_str(), other.c_str());
    time = (Now() - begin) / operation.calls;
  }
  Check(unlinkat(work.spelling->dirfd, own.c_str(), 0) == 0, "unlink");
  return times;
}

void Print(const Operation& operation, const Spelling& spelling, int threads,
           std::vector<int64_t> times, int64_t elapsed) {
  std::sort(times.begin(), times.end());
  const auto at = [&times](double part) {
    return static_cast<long>(times[std::min(
        times.size() - 1, static_cast<size_t>(static_cast<double>(times.size()) * part))]);
  };
  printf(
      "{\"op\":\"%s\",\"style\":\"%s\",\"threads\":%d,\"p50\":%ld,\"p90\":%ld,\"p99\":%ld,\"per_"
      "call\":%.0f}\n",
      operation.name, spelling.style, threads, at(0.5), at(0.9), at(0.99),
      static_cast<double>(elapsed) / static_cast<double>(times.size()) / operation.calls);
  fflush(stdout);
}

void MeasureThreads(const Operation& operation, const Spelling& spelling, int threads, int count) {
  std::vector<std::vector<int64_t>> times(static_cast<size_t>(threads));
  const int64_t begin = Now();
  std::vector<std::thread> running;
  for (size_t i = 0; i < times.size(); ++i) {
    const std::string number = std::to_string(i);
    running.emplace_back([&, work = Work{&spelling, "own" + number, "other" + number}, i] {
      times[i] = Measure(operation, work, count);
    });
  }
  for (std::thread& thread : running) thread.join();
  const int64_t elapsed = Now() - begin;
  std::vector<int64_t> all;
  for (const std::vector<int64_t>& some : times) all.insert(all.end(), some.begin(), some.end());
  Print(operation, spelling, threads, std::move(all), elapsed);
}

bool Wanted(const std::vector<std::string>& wanted, const Operation& operation, const char* style,
            int threads) {
  if (wanted.empty()) return strcmp(operation.name, "round-trip") != 0;
  const std::string parts[] = {
      operation.name, operation.name + std::string("/") + style,
      operation.name + std::string("/") + style + "/" + std::to_string(threads)};
  // A shorter word means one thread, and the relative spelling.
  for (const std::string& word : wanted) {
    if (word == parts[2] || (threads == 1 && word == parts[1])) return true;
    if (threads == 1 && word == parts[0] && strcmp(style, "relative") == 0) return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || atoi(argv[1]) < 1) {
    fprintf(stderr, "usage: calls COUNT [OP[/STYLE[/THREADS]]...]\n");
    return 2;
  }
  const int count = atoi(argv[1]);
  const std::vector<std::string> wanted(argv + 2, argv + argc);
  std::string home = "calls-XXXXXX";  // in a view of its own everybody has the same number
  Check(mkdtemp(home.data()) != nullptr && chdir(home.c_str()) == 0, home.c_str());
  char here[4096];
  Check(getcwd(here, sizeof(here)) != nullptr, "getcwd");
  std::string deep;
  for (int i = 0; i < 8; ++i) {
    deep += "level/";
    Check(mkdir(deep.c_str(), 0755) == 0, deep.c_str());
  }
  const int dirfd = open("level", O_RDONLY | O_DIRECTORY);
  Check(dirfd >= 0, "level");
  const Spelling spellings[] = {{"relative", AT_FDCWD, ""},
                                {"absolute", AT_FDCWD, std::string(here) + "/"},
                                {"deep", AT_FDCWD, deep},
                                {"dirfd", dirfd, ""}};
  for (const Operation& operation : kOperations) {
    for (const Spelling& spelling : spellings) {
      for (const int threads : {1, 2, 8, 64}) {
        if (!Wanted(wanted, operation, spelling.style, threads)) continue;
        if (wanted.empty() && threads > 1 && strcmp(spelling.style, "relative") != 0) continue;
        MeasureThreads(operation, spelling, threads, std::max(count / threads, 20));
      }
    }
  }
  close(dirfd);
  for (; !deep.empty(); deep.resize(deep.size() - 6)) Check(rmdir(deep.c_str()) == 0, "rmdir");
  Check(chdir("..") == 0 && rmdir(home.c_str()) == 0, home.c_str());
  return 0;
}
