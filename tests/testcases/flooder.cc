// A session that presses its broker until the file `stop` stands in the working directory. Makes
// `started` as soon as the pressure is on; prints one JSON line with counts at the end. Everything
// it makes is in its working directory.
//
//   flooder calls THREADS     mediated calls as fast as it can
//   flooder waiting COUNT     that many opens of FIFOs that nobody opens from the other side
//   flooder renames THREADS   directories exchanged under paths that are being resolved
//   flooder paths             the longest paths, trees deeper than a path, chains of links
//   flooder vanishing         paths on pages that go away while they are read
//   flooder stopped           processes that stop in the middle of their calls
//   flooder killed            processes that are killed in the middle of their calls
//   flooder output            standard output as fast as it is taken
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

std::atomic<long> calls = 0;
std::atomic<long> failed = 0;

bool Stopped() { return access("stop", F_OK) == 0; }

void Count(long result) {
  ++calls;
  if (result < 0) ++failed;
}

void Started() { close(open("started", O_WRONLY | O_CREAT | O_CLOEXEC, 0644)); }

void AwaitStop() {
  Started();
  while (!Stopped()) usleep(10000);
}

void CallOnce(const std::string& name) {
  const int fd = open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  Count(fd);
  if (fd >= 0) close(fd);
  Count(chmod(name.c_str(), 0600));
  Count(rename(name.c_str(), (name + ".moved").c_str()));
  Count(unlink((name + ".moved").c_str()));
}

template <typename Work>
void RunThreads(int count, Work work) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&stop, &work, i] {
      while (!stop) work(i);
    });
  }
  AwaitStop();
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

void Calls(int threads) {
  RunThreads(threads, [](int i) { CallOnce("calls" + std::to_string(i)); });
}

// Each waits in a process of its own, so that no limit of one process counts. More than the broker
// lets wait get EAGAIN.
void Waiting(int count) {
  mkfifo("fifo", 0644);
  auto* refused = static_cast<std::atomic<long>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  std::vector<pid_t> children;
  constexpr int kPerProcess = 100;
  for (int i = 0; i < count / kPerProcess; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      std::vector<std::thread> threads;
      try {
        for (int t = 0; t < kPerProcess; ++t) {
          threads.emplace_back([&] {
            if (open("fifo", O_WRONLY) < 0) ++*refused;
          });
        }
      } catch (const std::system_error&) {
        // As many as the machine lets us.
      }
      for (std::thread& thread : threads) thread.join();
      pause();
    }
    children.push_back(child);
  }
  // Those that may not wait have been told so when no more are.
  for (long last = -1; last != *refused || last <= 0;) {
    last = *refused;
    if (Stopped()) break;
    usleep(300000);
  }
  calls = count;
  failed = refused->load();
  AwaitStop();
  for (const pid_t child : children) kill(child, SIGKILL);
}

void Renames(int threads) {
  for (const char* name : {"a", "a/x", "b", "b/x"}) mkdir(name, 0755);
  RunThreads(threads, [](int i) {
    if (i % 2 == 0) {
      Count(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 2 /* RENAME_EXCHANGE */));
    } else {
      CallOnce("a/x/../x/../../b/x/file" + std::to_string(i));
    }
  });
}

std::string Repeated(const std::string& text, size_t size) {
  std::string result;
  while (result.size() + text.size() <= size) result += text;
  return result;
}

// Makes `name` in itself, and so on, step by step: it may become deeper than a path can name.
void MakeChain(const std::string& name, int depth) {
  const int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < depth; ++i) {
    Count(mkdir(name.c_str(), 0755));
    if (chdir(name.c_str()) != 0) break;
  }
  Count(open("bottom", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (fchdir(here) != 0) exit(1);
}

void Paths() {
  MakeChain(std::string(200, 'n'), 25);
  MakeChain("d", 100);
  // Forty links, each a detour of as many components as a link can have.
  const std::string detour = Repeated("d/../", 4000);
  for (int i = 0; i < 40; ++i) {
    const std::string next = i == 39 ? "target" : "link" + std::to_string(i + 1);
    unlink(("link" + std::to_string(i)).c_str());
    Count(symlink((detour + next).c_str(), ("link" + std::to_string(i)).c_str()));
  }
  Count(symlink("loop", "loop"));
  const std::string deep = Repeated("d/", 200);
  const std::string up = Repeated("d/../", 4080);
  const std::string slashes(4000, '/');
  RunThreads(4, [&](int) {
    Count(open("link0", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    Count(open("loop", O_WRONLY | O_CLOEXEC));
    Count(mkdir((deep + "new").c_str(), 0755));
    Count(chmod((up + "d").c_str(), 0755));
    Count(mkdir((slashes + "x").c_str(), 0755));
    Count(mkdir(std::string(5000, 'x').c_str(), 0755));
    for (int fd = 3; fd < 100; ++fd) close(fd);
  });
}

// The path ends on a page behind the end of a file that comes and goes.
void Vanishing() {
  const int file = open("pages", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (ftruncate(file, 8192) != 0) exit(1);
  char* map = static_cast<char*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  const std::string start(16, 'p');
  RunThreads(3, [&](int i) {
    if (i == 0) {
      if (ftruncate(file, 4096) != 0 || ftruncate(file, 8192) != 0) exit(1);
      return;
    }
    // Only the kernel and the broker touch the second page: it would be SIGBUS for us.
    if (pwrite(file, start.data(), start.size(), 4096 - 16) < 0) exit(1);
    Count(open(map + 4096 - 16, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    Count(mkdir(map + 4096 - 16, 0755));
    for (int fd = 4; fd < 40; ++fd) close(fd);
  });
}

pid_t ForkCaller(int number) {
  const pid_t child = fork();
  if (child == 0) {
    std::thread other([&] {
      for (;;) CallOnce("other" + std::to_string(number));
    });
    for (;;) CallOnce("process" + std::to_string(number));
  }
  return child;
}

void Stopping() {
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) children.push_back(ForkCaller(i));
  Started();
  while (!Stopped()) {
    for (const pid_t child : children) {
      Count(kill(child, SIGSTOP));
      usleep(2000);
      Count(kill(child, SIGCONT));
    }
  }
  // They stay stopped, each in whatever call it was.
  for (const pid_t child : children) kill(child, SIGSTOP);
}

void Killing() {
  Started();
  while (!Stopped()) {
    std::vector<pid_t> children;
    for (int i = 0; i < 8; ++i) children.push_back(ForkCaller(i));
    usleep(3000);
    for (const pid_t child : children) Count(kill(child, SIGKILL));
    for (const pid_t child : children) waitpid(child, nullptr, 0);
  }
}

void Output() {
  static const char kBlock[65536] = {};
  Started();
  while (!Stopped()) Count(write(STDOUT_FILENO, kBlock, sizeof(kBlock)));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  const int count = argc > 2 ? atoi(argv[2]) : 4;
  if (mode == "calls")
    Calls(count);
  else if (mode == "waiting")
    Waiting(count);
  else if (mode == "renames")
    Renames(count);
  else if (mode == "paths")
    Paths();
  else if (mode == "vanishing")
    Vanishing();
  else if (mode == "stopped")
    Stopping();
  else if (mode == "killed")
    Killing();
  else if (mode == "output")
    Output();
  else
    return 2;
  fprintf(stderr, "{\"calls\":%ld,\"failed\":%ld}\n", calls.load(), failed.load());
  return 0;
}
