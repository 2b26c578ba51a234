// File-system calls of many threads and processes at once: every one right, none lost, every
// descriptor in the right table under the right number. Runs in a directory of its own; prints
// counts; exit code 1 when something is not so.
//
//   parallel_calls threads COUNT ROUNDS   create, rename, link, mkdir, unlink, stat at once
//   parallel_calls winners COUNT ROUNDS   all want the same name: one gets it
//   parallel_calls fifos COUNT            that many opens wait; others go on; each gets its own end
//   parallel_calls tables ROUNDS          threads with descriptors, directory and umask of their
//   own parallel_calls execs ROUNDS           a thread executes a program while the others are in
//   calls parallel_calls exits ROUNDS           a thread ends the process while the others are in
//   calls parallel_calls forks COUNT ROUNDS     processes that come and go
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/testcases/check.h"

namespace {

bool There(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

int CountDescriptors() {
  DIR* directory = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

void RunThreads(int count, const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  threads.reserve(count);
  for (int i = 0; i < count; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
}

bool IsFile(int fd, const std::string& path) {
  struct stat opened;
  struct stat named;
  return fstat(fd, &opened) == 0 && stat(path.c_str(), &named) == 0 &&
         opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

// Names of its own in a directory that all share, and a directory of its own.
bool WorkOnce(const std::string& own) {
  const std::string directory = own + ".d";
  bool good = true;
  good &= CHECK(mkdir(directory.c_str(), 0755) == 0);
  const int fd = open(own.c_str(), O_CREAT | O_EXCL | O_RDWR, 0640);
  good &= CHECK(fd >= 0) && CHECK(IsFile(fd, own));
  good &= CHECK(write(fd, own.data(), own.size()) == static_cast<ssize_t>(own.size()));
  const int again = open(own.c_str(), O_RDONLY);
  good &= CHECK(again >= 0 && again != fd) && CHECK(IsFile(again, own));
  std::string read_back(own.size(), '\0');
  good &= CHECK(read(again, read_back.data(), own.size()) == static_cast<ssize_t>(own.size()));
  good &= CHECK(read_back == own);
  close(fd);
  close(again);
  good &= CHECK(rename(own.c_str(), (directory + "/moved").c_str()) == 0) && CHECK(!There(own));
  good &= CHECK(link((directory + "/moved").c_str(), own.c_str()) == 0);
  struct stat status;
  good &= CHECK(stat(own.c_str(), &status) == 0 && status.st_nlink == 2);
  good &= CHECK(rmdir(directory.c_str()) == -1 && errno == ENOTEMPTY);
  good &= CHECK(unlink((directory + "/moved").c_str()) == 0);
  good &= CHECK(rmdir(directory.c_str()) == 0) && CHECK(!There(directory));
  good &= CHECK(unlink(own.c_str()) == 0) && CHECK(!There(own));
  return good;
}

void Threads(int count, int rounds) {
  const int before = CountDescriptors();
  RunThreads(count, [&](int thread) {
    for (int i = 0; i < rounds; ++i) WorkOnce("thread" + std::to_string(thread));
  });
  CHECK(CountDescriptors() == before);
  // Descriptors are given lowest first.
  const int low = open("low", O_CREAT | O_RDWR, 0600);
  const int next = open("low", O_RDWR);
  CHECK(next == low + 1);
  close(low);
  CHECK(open("low", O_RDWR) == low);
  close(low);
  close(next);
  printf("%d threads, %d rounds each\n", count, rounds);
}

void Winners(int count, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    std::atomic<int> created = 0;
    std::atomic<int> made = 0;
    std::atomic<int> moved = 0;
    std::atomic<int> removed = 0;
    CHECK(close(open("source", O_CREAT | O_WRONLY, 0600)) == 0);
    RunThreads(count, [&](int thread) {
      const int fd = open("same", O_CREAT | O_EXCL | O_WRONLY, 0600);
      if (fd >= 0) {
        ++created;
        close(fd);
      } else {
        CHECK(errno == EEXIST);
      }
      if (mkdir("samedir", 0700) == 0) ++made;
      if (rename("source", ("target" + std::to_string(thread)).c_str()) == 0) ++moved;
    });
    RunThreads(count, [&](int thread) {
      if (unlink("same") == 0) ++removed;
      unlink(("target" + std::to_string(thread)).c_str());
    });
    CHECK(created == 1 && made == 1 && moved == 1 && removed == 1);
    CHECK(rmdir("samedir") == 0);
  }
  printf("%d threads, %d rounds, one winner each\n", count, rounds);
}

void Fifos(int count) {
  const auto name = [](int i) { return "fifo" + std::to_string(i); };
  for (int i = 0; i < count; ++i) CHECK(mkfifo(name(i).c_str(), 0600) == 0);
  std::atomic<int> waiting = 0;
  std::atomic<int> served = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      ++waiting;
      const int fd = open(name(i).c_str(), O_RDONLY);
      int number = -1;
      CHECK(fd >= 0 && read(fd, &number, sizeof(number)) == sizeof(number) && number == i);
      close(fd);
      ++served;
    });
  }
  while (waiting < count) usleep(1000);
  RunThreads(4, [&](int thread) {
    for (int i = 0; i < 50; ++i) WorkOnce("beside" + std::to_string(thread));
  });
  CHECK(served == 0);
  for (int i = count - 1; i >= 0; --i) {
    const int fd = open(name(i).c_str(), O_WRONLY);
    CHECK(fd >= 0 && write(fd, &i, sizeof(i)) == sizeof(i));
    close(fd);
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(served == count);
  printf("%d opens waited, 200 rounds beside them\n", count);
}

// A descriptor number that means another directory in each thread.
void OwnDescriptors(int rounds) {
  constexpr int kNumber = 50;
  CHECK(mkdir("main", 0700) == 0 && mkdir("other", 0700) == 0);
  const int main_directory = open("main", O_RDONLY | O_DIRECTORY);
  CHECK(dup2(main_directory, kNumber) == kNumber);
  close(main_directory);
  std::thread thread([&] {
    CHECK(unshare(CLONE_FILES) == 0);
    const int directory = open("other", O_RDONLY | O_DIRECTORY);
    CHECK(dup2(directory, kNumber) == kNumber);
    close(directory);
    for (int i = 0; i < rounds; ++i) {
      const int fd = openat(kNumber, "file", O_CREAT | O_EXCL | O_WRONLY, 0600);
      CHECK(fd >= 0 && IsFile(fd, "other/file"));
      CHECK(fchmod(fd, 0640) == 0 && unlinkat(kNumber, "file", 0) == 0);
      close(fd);
    }
    const int here = openat(kNumber, "kept", O_CREAT | O_WRONLY, 0600);
    CHECK(dup2(here, 60) == 60);
    CHECK(fchmod(60, 0604) == 0);
  });
  for (int i = 0; i < rounds; ++i) {
    const int fd = openat(kNumber, "file", O_CREAT | O_EXCL | O_WRONLY, 0600);
    CHECK(fd >= 0 && IsFile(fd, "main/file"));
    CHECK(unlinkat(kNumber, "file", 0) == 0);
    close(fd);
  }
  thread.join();
  CHECK(fcntl(60, F_GETFD) == -1 && fchmod(60, 0600) == -1 && errno == EBADF);
  struct stat status;
  CHECK(stat("other/kept", &status) == 0 && (status.st_mode & 0777) == 0604);
  close(kNumber);
}

mode_t ModeOfNew(const char* name) {
  struct stat status = {};
  const int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0777);
  CHECK(fd >= 0 && fstat(fd, &status) == 0 && unlink(name) == 0);
  close(fd);
  return status.st_mode & 0777;
}

void OwnDirectoryAndUmask(int rounds) {
  CHECK(mkdir("inner", 0700) == 0);
  umask(022);
  std::thread apart([&] {
    CHECK(unshare(CLONE_FS) == 0 && chdir("inner") == 0);
    umask(077);
    for (int i = 0; i < rounds; ++i) {
      CHECK(ModeOfNew("a") == 0700);
      CHECK(mkdir("b", 0777) == 0 && rmdir("../inner/b") == 0);
    }
  });
  for (int i = 0; i < rounds; ++i) {
    CHECK(ModeOfNew("a") == 0755);
    CHECK(mkdir("b", 0777) == 0 && rmdir("b") == 0);
  }
  apart.join();
  // Threads share both; a forked process has a copy.
  std::thread together([] {
    umask(027);
    CHECK(chdir("inner") == 0);
  });
  together.join();
  CHECK(ModeOfNew("c") == 0750 && There("../inner"));
  const pid_t child = fork();
  if (child == 0) {
    umask(0);
    CHECK(ModeOfNew("d") == 0777 && chdir("..") == 0);
    CHECK(mkdir("e", 0700) == 0 && rmdir("e") == 0);
    _exit(Verdict());
  }
  CHECK(ExitedWith(AwaitChild(child), 0));
  CHECK(ModeOfNew("f") == 0750 && There("../inner") && chdir("..") == 0);
}

void KeepCalling(int thread) {
  const std::string name = "busy" + std::to_string(getpid()) + "." + std::to_string(thread);
  for (;;) {
    const int fd = open(name.c_str(), O_CREAT | O_RDWR, 0600);
    close(fd);
    rename(name.c_str(), (name + "x").c_str());
    unlink((name + "x").c_str());
  }
}

// `end` is called by a thread that is not the leader, while the leader and the others are in calls.
void AmongCalls(int rounds, int expected, const std::function<void()>& end) {
  for (int i = 0; i < rounds; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (int thread = 1; thread < 4; ++thread) std::thread(KeepCalling, thread).detach();
      std::thread([&] {
        for (int n = 0; n < 2; ++n) WorkOnce("last" + std::to_string(getpid()));
        end();
      }).detach();
      KeepCalling(0);
    }
    CHECK(ExitedWith(AwaitChild(child), expected));
  }
}

void Execs(const char* self, int rounds) {
  AmongCalls(rounds, 7, [self] {
    const std::string pid = std::to_string(getpid());
    execl(self, self, "executed", pid.c_str(), static_cast<char*>(nullptr));
    _exit(99);
  });
  printf("%d executions by a thread among calls\n", rounds);
}

// The program that a thread executed: its thread id has become the leader's.
int Executed(int pid) {
  CHECK(getpid() == pid && syscall(SYS_gettid) == pid);
  for (int i = 0; i < 3; ++i) WorkOnce("executed" + std::to_string(pid));
  return failed_checks == 0 ? 7 : 1;
}

void Exits(int rounds) {
  AmongCalls(rounds, 5, [] { syscall(SYS_exit_group, 5); });
  printf("%d exits of a process among calls\n", rounds);
}

void Forks(int count, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    std::vector<pid_t> children;
    for (int n = 0; n < count; ++n) {
      const pid_t child = fork();
      if (child == 0) _exit(WorkOnce("child" + std::to_string(n)) ? 0 : 1);
      children.push_back(child);
    }
    for (const pid_t child : children) CHECK(ExitedWith(AwaitChild(child), 0));
  }
  printf("%d processes at once, %d times\n", count, rounds);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[1] : "";
  const int count = argc > 2 ? atoi(argv[2]) : 0;
  const int rounds = argc > 3 ? atoi(argv[3]) : count;
  if (what == "threads")
    Threads(count, rounds);
  else if (what == "winners")
    Winners(count, rounds);
  else if (what == "fifos")
    Fifos(count);
  else if (what == "tables") {
    OwnDescriptors(rounds);
    OwnDirectoryAndUmask(rounds);
    printf("%d rounds with tables of their own\n", rounds);
  } else if (what == "execs")
    Execs(argv[0], rounds);
  else if (what == "executed")
    return Executed(count);
  else if (what == "exits")
    Exits(rounds);
  else if (what == "forks")
    Forks(count, rounds);
  else
    return 2;
  return Verdict();
}
