// memfd_create: every answer and what can be done with the memory. Bare and in a session the same;
// what differs (the execute bit, the seal that keeps it off) is for the test to ask: --execute-bit.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

namespace {

constexpr int kSealExec = 0x20;  // F_SEAL_EXEC

int Create(const char* name, unsigned flags) {
  return static_cast<int>(syscall(SYS_memfd_create, name, flags));
}
void Say(const std::string& what, long result) {
  printf("%s: %s\n", what.c_str(), result < 0 ? strerrorname_np(errno) : "ok");
}

void Flags() {
  for (const unsigned flags : {0x0U, 0x1U, 0x2U, 0x3U, 0x8U, 0x9U, 0x18U, 0x20U, 0x80000000U,
                               0x4U | 21U << 26, 0x4U | 63U << 26}) {
    const int fd = Create("name", flags);
    Say("flags " + std::to_string(flags), fd);
    if (fd >= 0) printf("close-on-exec %d\n", fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
  }
}
void Names() {
  Say("NULL", Create(nullptr, 0));
  Say("NULL and bad flags", Create(nullptr, 0x20));
  Say("empty", Create("", 0));
  Say("249 bytes", Create(std::string(249, 'n').c_str(), 0));
  Say("250 bytes", Create(std::string(250, 'n').c_str(), 0));
  char link[64] = {};
  const std::string path = "/proc/self/fd/" + std::to_string(Create("shown", 0));
  if (readlink(path.c_str(), link, sizeof(link) - 1) > 0) printf("%s\n", link);
}
void Seals(unsigned flags) {
  const int fd = Create("sealed", flags);
  printf("seals %d\n", fcntl(fd, F_GET_SEALS) & ~kSealExec);
  Say("ftruncate", ftruncate(fd, 8192));
  Say("add F_SEAL_SHRINK", fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
  Say("shrink", ftruncate(fd, 4096));
  Say("grow", ftruncate(fd, 16384));
  Say("add F_SEAL_WRITE and F_SEAL_SEAL", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL));
  Say("write", write(fd, "x", 1));
  Say("add one more", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
  close(fd);
}
// What just-in-time compilers and libffi do: the same memory twice, once to write and once to run.
void Mappings() {
  const int fd = Create("code", MFD_CLOEXEC);
  Say("size", ftruncate(fd, 4096));
  void* writable = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  void* executable = mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  if (writable == MAP_FAILED || executable == MAP_FAILED) {
    printf("no mapping: %s\n", strerrorname_np(errno));
    return;
  }
#if defined(__x86_64__)
  const unsigned char code[] = {0xb8, 0x2a, 0, 0, 0, 0xc3};  // mov eax, 42; ret
#elif defined(__aarch64__)
  const unsigned char code[] = {0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6};
#endif
  memcpy(writable, code, sizeof(code));
  __builtin___clear_cache(static_cast<char*>(executable), static_cast<char*>(executable) + 64);
  printf("its code says %d\n", reinterpret_cast<int (*)()>(executable)());
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  Say("opened anew", open(path.c_str(), O_RDWR));
  struct stat info;
  fstat(fd, &info);
  printf("owner is ours %d, read and write bits %o\n", info.st_uid == geteuid(),
         info.st_mode & 0666);
}

int ExecuteBit() {
  const int fd = Create("bit", 0);
  struct stat info;
  fstat(fd, &info);
  printf("mode %o seals %d\n", info.st_mode & 0777, fcntl(fd, F_GET_SEALS));
  Say("MFD_EXEC", Create("wanted", 0x10));
  Say("fchmod 0777", fchmod(fd, 0777));
  Say("fchmod 0600", fchmod(fd, 0600));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "--execute-bit") == 0) return ExecuteBit();
  Flags();
  Names();
  Seals(0);
  Seals(MFD_ALLOW_SEALING);
  Mappings();
  return 0;
}
