// hostile_caller errnos: socket calls × bad pointers, lengths and descriptors.
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "tests/testcases/hostile_calls.h"

namespace hostile {
namespace {

constexpr size_t kPage = 4096;
constexpr socklen_t kFull = sizeof(sockaddr_un);

// The end of a page behind which nothing is mapped.
char* EndOfMemory() {
  char* pages = static_cast<char*>(
      mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (pages == MAP_FAILED) abort();
  munmap(pages + kPage, kPage);
  return pages + kPage;
}

void TryAddresses(const char* name, long nr) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, "no-such/socket");
  char* const end = EndOfMemory();
  const auto* whole = static_cast<const char*>(memcpy(end - kFull, &address, kFull));
  const auto* cut = static_cast<const char*>(memcpy(end - 20 - kPage / 2, &address, 20));
  memcpy(end - 20, &address, 20);
  const auto call = [&](const std::string& what, const void* pointer, long size) {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    Report(name, what, syscall(nr, fd, pointer, size));
    close(fd);
  };
  call("good", &address, kFull);
  call("null", nullptr, kFull);
  call("null-and-nothing", nullptr, 0);
  call("unmapped", reinterpret_cast<const void*>(0x10), kFull);
  call("kernel-address", reinterpret_cast<const void*>(0xffffffff81000000ul), kFull);
  call("at-the-end", whole, kFull);
  call("cut-by-the-end", end - 20, kFull);
  call("short", cut, 20);
  for (const long size :
       {0L, 1L, 2L, 3L, 111L, 128L, 129L, -1L, 0x7fffffffL, 1L << 32, (1L << 32) + 20}) {
    call("size-" + std::to_string(size), &address, size);
  }
  for (const uint16_t family : {0, 2, 3, 10, 16, 38, 0xffff}) {
    address.sun_family = family;
    call("family-" + std::to_string(family), &address, kFull);
  }
  address.sun_family = AF_UNIX;
  const int file = open("/proc/self/exe", O_RDONLY);
  const int path = open(".", O_PATH);
  const std::pair<const char*, int> descriptors[] = {
      {"-negative", -1}, {"-closed", 987}, {"-of-a-file", file}, {"-of-a-path", path}};
  for (const auto& [what, fd] : descriptors) {
    Report(name, std::string("descriptor") + what, syscall(nr, fd, &address, kFull));
    Report(name, std::string("pointer-and-descriptor") + what, syscall(nr, fd, 0x10, kFull));
  }
  close(file);
  close(path);
}

void TryMessages() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) abort();
  char* const end = EndOfMemory();
  iovec piece = {end - 8, 8};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  const auto send = [&](const char* what) {
    Report("sendmsg", what, syscall(SYS_sendmsg, pair[0], &message, MSG_DONTWAIT));
  };
  send("good");
  Report("sendmsg", "null", syscall(SYS_sendmsg, pair[0], nullptr, 0));
  Report("sendmsg", "at-the-end", syscall(SYS_sendmsg, pair[0], end - 8, 0));
  Report("sendmsg", "flags", syscall(SYS_sendmsg, pair[0], &message, 0x40000040));
  piece.iov_base = end;
  send("data-unmapped");
  piece = {end - 8, static_cast<size_t>(-1)};
  send("size-negative");
  piece = {nullptr, 0};
  send("nothing");
  piece = {end - 8, 8};
  message.msg_iov = reinterpret_cast<iovec*>(0x10);
  send("pieces-unmapped");
  message.msg_iovlen = 0;
  send("no-pieces");
  message.msg_iov = &piece;
  message.msg_iovlen = static_cast<size_t>(1) << 40;
  send("pieces-too-many");
  message.msg_iovlen = 1;
  message.msg_control = reinterpret_cast<void*>(0x10);
  message.msg_controllen = 64;
  send("control-unmapped");
  message.msg_controllen = static_cast<size_t>(1) << 40;
  send("control-too-long");
  message.msg_control = nullptr;
  send("control-null");
  message.msg_controllen = 0;
  message.msg_namelen = 0x80000000;
  send("name-size-negative");
  message.msg_name = reinterpret_cast<void*>(0x10);
  message.msg_namelen = 16;
  send("name-unmapped");
  mmsghdr many[2] = {};
  many[0].msg_hdr.msg_iov = many[1].msg_hdr.msg_iov = &piece;
  many[0].msg_hdr.msg_iovlen = many[1].msg_hdr.msg_iovlen = 1;
  Report("sendmmsg", "good", syscall(SYS_sendmmsg, pair[0], many, 2, MSG_DONTWAIT));
  Report("sendmmsg", "none", syscall(SYS_sendmmsg, pair[0], many, 0, 0));
  Report("sendmmsg", "unmapped", syscall(SYS_sendmmsg, pair[0], 0x10, 2, 0));
  memcpy(end - sizeof(many[0]), &many[0], sizeof(many[0]));
  Report("sendmmsg", "second-unmapped",
         syscall(SYS_sendmmsg, pair[0], end - sizeof(many[0]), 2, MSG_DONTWAIT));
  Report("sendmmsg", "descriptor", syscall(SYS_sendmmsg, 987, many, 2, 0));
  close(pair[0]);
  close(pair[1]);
}

}  // namespace

void TrySockets() {
  TryAddresses("connect", SYS_connect);
  TryAddresses("bind", SYS_bind);
  TryMessages();
}

}  // namespace hostile
