// What holds while several act at once: each thread's own umask, directory and descriptors; one
// winner of an exclusive creation; appends and exchanges in one piece; descriptors lowest first.
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

// Runs `body(i)` in `count` threads at once; the number of those that returned false.
long FailuresOf(int count, const std::function<bool(int)>& body) {
  std::atomic<int> ready = 0;
  std::atomic<long> failures = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      for (++ready; ready < count;) sched_yield();
      if (!body(i)) ++failures;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return failures;
}

mode_t ModeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 07777;
}

}  // namespace

CASE(Threads, EachHasItsOwnUmaskAndDirectory) {
  for (int i = 0; i < 8; ++i) Dir("d" + std::to_string(i));
  const mode_t masks[] = {0, 022, 077, 027, 0777, 0111, 0222, 0444};
  IS(0, FailuresOf(8, [&](int i) {
       if (unshare(CLONE_FS) != 0 || chdir(("d" + std::to_string(i)).c_str()) != 0) return false;
       umask(masks[i]);
       for (int round = 0; round < 60; ++round) {
         const std::string name = "f" + std::to_string(round);
         const int fd = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0777);
         if (fd < 0 || ModeOf(name) != (0777 & ~masks[i])) return false;
         close(fd);
         if (mkdir(("d" + name).c_str(), 0777) != 0 || ModeOf("d" + name) != (0777 & ~masks[i])) {
           return false;
         }
       }
       return true;
     }));
  IS("file 0777", What("d0/f59"));
  IS("file 0000", What("d4/f0"));
}

CASE(Threads, SharedUmaskChangesForAll) {
  IS(0, FailuresOf(1, [](int) {
       umask(077);
       return true;
     }));
  IS("ok", Open("f", O_WRONLY | O_CREAT, 0666));
  IS("file 0600", What("f"));
}

CASE(Threads, OneWinsAnExclusiveCreation) {
  long winners = 0;
  for (int round = 0; round < 40; ++round) {
    const std::string name = "f" + std::to_string(round);
    const long losers = FailuresOf(4, [&](int i) {
      if (i % 2 == 0) return Open(name, O_WRONLY | O_CREAT | O_EXCL, 0600) == "ok";
      return i == 1 ? mkdir(name.c_str(), 0700) == 0 : symlink("x", name.c_str()) == 0;
    });
    winners += 4 - losers;
  }
  IS(40, winners);
}

CASE(Threads, CreationThatMayFindOneSucceedsForAll) {
  std::set<ino_t> files;
  std::vector<ino_t> seen(8);
  for (int round = 0; round < 25; ++round) {
    const std::string name = "f" + std::to_string(round);
    IS(0, FailuresOf(8, [&](int i) {
         const int fd = open(name.c_str(), O_RDWR | O_CREAT, 0600);
         struct stat info = {};
         const bool good = fd >= 0 && fstat(fd, &info) == 0;
         seen[static_cast<size_t>(i)] = info.st_ino;
         close(fd);
         return good;
       }));
    IS(1, static_cast<long>(std::set<ino_t>(seen.begin(), seen.end()).size()));
  }
}

CASE(Threads, AppendsAreNotTornOrLost) {
  IS(0, FailuresOf(6, [](int i) {
       const int fd = open("log", O_WRONLY | O_APPEND | O_CREAT, 0644);
       const std::string line(19, static_cast<char>('a' + i));
       for (int round = 0; round < 200; ++round) {
         if (write(fd, (line + "\n").data(), 20) != 20) return false;
       }
       return close(fd) == 0;
     }));
  IS(6 * 200 * 20, Size("log"));
  FILE* file = fopen("log", "r");
  char line[32];
  long torn = 0;
  while (fgets(line, sizeof(line), file) != nullptr) {
    torn += std::string(line) == std::string(19, line[0]) + "\n" ? 0 : 1;
  }
  fclose(file);
  IS(0, torn);
}

// A name that is replaced by rename or exchanged is there at every moment: rename(2).
CASE(Threads, ReplacedNameIsNeverMissing) {
  Touch("name", 0644, "old");
  Touch("other", 0644, "new");
  std::atomic<bool> over = false;
  std::thread looker_missing;
  std::atomic<long> missing = 0;
  std::atomic<long> looked = 0;
  std::thread looker([&] {
    while (!over) {
      if (Open("name", O_RDWR) != "ok") ++missing;
      ++looked;
    }
  });
  for (int round = 0; round < 150; ++round) {
    IS(0, syscall(SYS_renameat2, AT_FDCWD, "name", AT_FDCWD, "other", 2 /* RENAME_EXCHANGE */));
    Touch("fresh");
    IS(0, rename("fresh", "name"));
  }
  while (looked < 50) sched_yield();
  over = true;
  looker.join();
  IS(0, missing.load());
}

CASE(Threads, DescriptorsAreGivenLowestFirstAndOnce) {
  Touch("f");
  std::vector<int> fds(160, -1);
  IS(0, FailuresOf(8, [&](int i) {
       for (int round = 0; round < 20; ++round) {
         fds[static_cast<size_t>(i * 20 + round)] = open("f", O_RDWR | O_CLOEXEC);
       }
       return true;
     }));
  const std::set<int> distinct(fds.begin(), fds.end());
  IS(160, static_cast<long>(distinct.size()));
  IS(3, *distinct.begin());
  IS(162, *distinct.rbegin());
}

CASE(Threads, UnsharedDescriptorsAreOnesOwn) {
  Touch("f", 0644, "shared");
  Dir("d");
  Touch("d/f", 0644, "own");
  const int shared = Fd(".", O_RDONLY | O_DIRECTORY);
  IS(0, FailuresOf(4, [&](int i) {
       if (i % 2 == 0) return openat(shared, "f", O_RDWR) >= 0;
       if (unshare(CLONE_FILES) != 0) return false;
       const int own = open("d", O_RDONLY | O_DIRECTORY);
       if (dup2(own, shared) != shared) return false;
       const int fd = openat(shared, "f", O_RDWR);
       char text[8] = {};
       return fd >= 0 && read(fd, text, 7) == 3 && std::string(text) == "own";
     }));
  char text[8] = {};
  IS(6, read(openat(shared, "f", O_RDWR), text, 7));
  IS("shared", text);
}

CASE(Threads, CloseOnExecIsAsAskedForThroughAnExec) {
  const int kept = Fd("kept", O_RDWR | O_CREAT, 0644);
  const int closed = Fd("closed", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  const std::string check = "test -e /proc/self/fd/" + std::to_string(kept) +
                            " && ! test -e /proc/self/fd/" + std::to_string(closed);
  IS("exit 0", InChild([&] {
       execl("/bin/sh", "sh", "-c", check.c_str(), nullptr);
       return 9;
     }));
}

}  // namespace conformance
