// What a process may do that was root and has become somebody else, for a session that keeps
// capabilities: the calls are carried out by the broker, with the rights of who made them. After
// the cases of pjdfstest, which change user, group and groups before each call.
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <csignal>
#include <initializer_list>
#include <thread>
#include <vector>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

constexpr uid_t kNobody = 65534;
constexpr gid_t kNobodysGroup = 65533;
constexpr gid_t kShared = 7777;

// The raw calls change the calling thread alone.
long Become(uid_t uid, gid_t gid, const std::vector<gid_t>& groups = {}) {
  long result = syscall(SYS_setgroups, groups.size(), groups.data());
  if (result == 0) result = syscall(SYS_setresgid, gid, gid, gid);
  return result == 0 ? syscall(SYS_setresuid, uid, uid, uid) : result;
}

// Runs `action` in a child that is that user; reports how it went.
template <typename Action>
void As(uid_t uid, gid_t gid, const std::vector<gid_t>& groups, Action action) {
  IS("exit 0", InChild([&] {
       IS(0, Become(uid, gid, groups));
       action();
       return 0;
     }));
}

template <typename Action>
void AsNobody(Action action) {
  As(kNobody, kNobodysGroup, {}, action);
}

long Effective(std::initializer_list<int> capabilities) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return -1;
  data[0].effective = data[1].effective = 0;
  for (const int capability : capabilities) {
    data[capability / 32].effective |= 1U << (capability % 32);
  }
  return syscall(SYS_capset, &header, data);
}

std::string OwnerOfFd(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return Answer(-1);
  return std::to_string(info.st_uid) + ":" + std::to_string(info.st_gid);
}

}  // namespace

CASE(Credentials, WhatIsMadeBelongsToWhoMadeIt) {
  Dir("d", 0777);
  AsNobody([] {
    IS("ok", Open("d/file", O_WRONLY | O_CREAT, 0666));
    IS(0, mkdir("d/dir", 0777));
    IS(0, mkfifo("d/fifo", 0666));
    IS(0, symlink("x", "d/link"));
    const int unnamed = Fd("d", O_RDWR | O_TMPFILE, 0600);
    IS("65534:65533", OwnerOfFd(unnamed));
  });
  for (const char* name : {"d/file", "d/dir", "d/fifo", "d/link"}) IS("65534:65533", Owner(name));
  Dir("g", 02777);
  IS(0, chown("g", 0, kShared));
  IS(0, chmod("g", 02777));
  AsNobody([] { IS("ok", Open("g/file", O_WRONLY | O_CREAT, 0666)); });
  IS("65534:7777", Owner("g/file"));
}

CASE(Credentials, PermissionBitsHoldForWhoIsNoLongerRoot) {
  Dir("d", 0755);
  Touch("d/secret", 0600, "x");
  Touch("d/read", 0644, "x");
  Dir("closed", 0700);
  Touch("closed/f", 0666);
  AsNobody([] {
    IS("EACCES", Open("d/secret", O_RDONLY));
    IS("EACCES", Open("d/secret", O_WRONLY));
    IS("ok", Open("d/read", O_RDONLY));
    IS("EACCES", Open("d/read", O_WRONLY));
    IS("EACCES", Open("d/read", O_RDONLY | O_TRUNC));
    IS("EACCES", Open("d/new", O_WRONLY | O_CREAT, 0644));
    IS("EACCES", Open("closed/f", O_RDONLY));
    IS("EACCES", unlink("d/read"));
    IS("EACCES", unlink("closed/f"));
    IS("EACCES", mkdir("d/sub", 0777));
    IS("EACCES", rename("d/read", "d/moved"));
    IS("EACCES", symlink("x", "d/link"));
    IS("EACCES", truncate("d/read", 0));
    IS("EPERM", chmod("d/read", 0777));
    IS("EPERM", chown("d/read", kNobody, kNobodysGroup));
    IS("EACCES", utimensat(AT_FDCWD, "d/read", nullptr, 0));
    const timespec times[2] = {{1, 0}, {1, 0}};
    IS("EPERM", utimensat(AT_FDCWD, "d/read", times, 0));
    IS("EACCES", setxattr("d/read", "user.a", "1", 1, 0));
  });
  IS("x", Read("d/read"));
}

CASE(Credentials, RootActsPastPermissionBitsWithTheCapabilities) {
  Touch("f", 0000, "x");
  IS(0, chown("f", kOther, kOther));
  Dir("d", 0000);
  IS(0, chown("d", kOther, kOther));
  IS("ok", Open("f", O_RDWR));
  IS("ok", Open("d/new", O_WRONLY | O_CREAT, 0600));
  IS(0, mkdir("d/sub", 0700));
  IS(0, truncate("f", 3));
  IS(0, chmod("f", 0640));
  IS(0, utimensat(AT_FDCWD, "f", nullptr, 0));
  IS(0, chown("f", 1, 2));
  IS("1:2", Owner("f"));
  IS(0, rename("f", "d/f"));
  IS(0, unlink("d/f"));
}

CASE(Credentials, SupplementaryGroupsCount) {
  Touch("f", 0660, "x");
  IS(0, chown("f", 0, kShared));
  Dir("d", 0770);
  IS(0, chown("d", 0, kShared));
  AsNobody([] { IS("EACCES", Open("f", O_RDWR)); });
  As(kNobody, kNobodysGroup, {1, kShared, 90000}, [] {
    IS("ok", Open("f", O_RDWR));
    IS("ok", Open("d/file", O_WRONLY | O_CREAT, 0600));
    IS(0, chown("d/file", -1, kShared));
    IS("65534:7777", Owner("d/file"));
    IS("EPERM", chown("d/file", -1, 1234));
  });
  As(kNobody, kShared, {}, [] { IS("ok", Open("f", O_RDWR)); });
  std::vector<gid_t> many;
  for (gid_t group = 100000; group < 102000; ++group) many.push_back(group);
  As(kNobody, kNobodysGroup, many, [] { IS("EACCES", Open("f", O_RDWR)); });
  many.push_back(kShared);
  As(kNobody, kNobodysGroup, many, [] { IS("ok", Open("f", O_RDWR)); });
}

CASE(Credentials, ChangesOfTheOwnerDropSetIdBits) {
  Touch("f", 06755);
  IS(0, chown("f", kNobody, kNobodysGroup));
  IS("file 0755", What("f"));
  IS(0, chmod("f", 06755));
  As(kNobody, kNobodysGroup, {kShared}, [] {
    IS(0, chown("f", -1, kShared));
    IS("file 0755", What("f"));
    IS(0, chown("f", -1, kNobodysGroup));
  });
  // chmod(2): S_ISGID goes where the file's group is none of the caller's.
  IS(0, chown("f", kNobody, kShared));
  AsNobody([] {
    IS(0, chmod("f", 02755));
    IS("file 0755", What("f"));
  });
  As(kNobody, kShared, {}, [] {
    IS(0, chmod("f", 02755));
    IS("file 2755", What("f"));
  });
  IS(0, chmod("f", 06777));
  AsNobody([] {
    IS(1, write(Fd("f", O_WRONLY), "x", 1));
    IS("file 0777", What("f"));
  });
}

CASE(Credentials, StickyDirectoriesKeepOthersFiles) {
  Dir("d", 01777);
  Touch("d/roots", 0666);
  AsNobody([] { Touch("d/nobodys", 0666); });
  As(kOther, kOther, {}, [] {
    IS("EPERM", unlink("d/roots"));
    IS("EPERM", unlink("d/nobodys"));
    IS("EPERM", rename("d/nobodys", "d/mine"));
  });
  AsNobody([] {
    IS("EPERM", unlink("d/roots"));
    IS(0, unlink("d/nobodys"));
  });
  IS(0, unlink("d/roots"));
}

CASE(Credentials, EffectiveNotRealUserDecides) {
  Touch("f", 0600);
  IS("exit 0", InChild([] {
       IS(0, syscall(SYS_setresuid, -1, kNobody, -1));
       IS("EACCES", Open("f", O_RDWR));
       IS("EPERM", chmod("f", 0666));
       IS(0, syscall(SYS_setresuid, -1, 0, -1));
       IS("ok", Open("f", O_RDWR));
       return 0;
     }));
}

CASE(Credentials, FileSystemUserDecides) {
  Touch("f", 0600);
  Dir("d", 0777);
  IS("exit 0", InChild([] {
       IS(0, syscall(SYS_setfsgid, kNobodysGroup));
       IS(0, syscall(SYS_setfsuid, kNobody));
       IS("EACCES", Open("f", O_RDWR));
       IS("ok", Open("d/file", O_WRONLY | O_CREAT, 0600));
       IS("65534:65533", Owner("d/file"));
       IS(65534, syscall(SYS_setfsuid, 0));
       IS("ok", Open("f", O_RDWR));
       return 0;
     }));
}

CASE(Credentials, DroppedCapabilitiesAreGoneAndRaisedOnesBack) {
  Touch("f", 0000);
  IS(0, chown("f", kOther, kOther));
  IS("exit 0", InChild([] {
       IS(0, Effective({CAP_CHOWN}));
       IS("EACCES", Open("f", O_RDWR));
       IS("EPERM", chmod("f", 0600));
       IS("EPERM", mknod("device", S_IFCHR | 0600, makedev(1, 3)));
       IS(0, chown("f", kOther, 1));
       IS(0, Effective({CAP_DAC_OVERRIDE, CAP_FOWNER}));
       IS("ok", Open("f", O_RDWR));
       IS(0, chmod("f", 0600));
       IS("EPERM", chown("f", 1, 1));
       return 0;
     }));
}

CASE(Credentials, ThreadsOfOneProcessMayDiffer) {
  Dir("d", 0777);
  std::vector<std::thread> threads;
  std::vector<std::string> wrong(4, "none");
  threads.reserve(wrong.size());
  for (size_t i = 0; i < wrong.size(); ++i) {
    threads.emplace_back([i, &wrong] {
      const uid_t uid = 20000 + static_cast<uid_t>(i);
      if (i != 0 && Become(uid, uid + 1, {uid + 2}) != 0) wrong[i] = Answer(-1);
      const std::string owner =
          i == 0 ? "0:0" : std::to_string(uid) + ":" + std::to_string(uid + 1);
      const std::string name = "d/" + std::to_string(i);
      for (int round = 0; round < 300 && wrong[i] == "none"; ++round) {
        const int fd = open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
        const std::string made = fd < 0 ? Answer(-1) : OwnerOfFd(fd);
        if (made != owner || close(fd) != 0 || unlink(name.c_str()) != 0) wrong[i] = made;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& what : wrong) IS("none", what);
}

CASE(Credentials, UmaskIsTheCallersOwn) {
  Dir("d", 0777);
  AsNobody([] {
    umask(0077);
    IS("ok", Open("d/a", O_WRONLY | O_CREAT, 0666));
    umask(0);
    IS(0, mkdir("d/b", 0777));
  });
  IS("file 0600", What("d/a"));
  IS("dir 0777", What("d/b"));
  IS("ok", Open("d/c", O_WRONLY | O_CREAT, 0666));
  IS("file 0644", What("d/c"));
}

CASE(Credentials, DescriptorsOutliveTheRightsTheyWereOpenedBy) {
  Touch("f", 0600, "secret");
  Touch("f2", 0600);
  IS(0, chown("f2", kNobody, kNobodysGroup));
  const int fd = Fd("f", O_RDWR);
  const int second = Fd("f2", O_RDWR);
  AsNobody([&] {
    IS(0, ftruncate(fd, 3));
    IS("EPERM", fchmod(fd, 0644));
    IS("EPERM", fchown(fd, kNobody, -1));
    IS(0, fchmod(second, 0640));
    IS("EACCES", Open("/proc/self/fd/" + std::to_string(fd), O_RDONLY));
    IS("ok", Open("/proc/self/fd/" + std::to_string(second), O_RDWR));
    IS("ok", Open("/dev/fd/" + std::to_string(second), O_RDWR));
    IS("EACCES", Open("/dev/fd/" + std::to_string(fd), O_RDWR | O_TRUNC));
  });
  IS("sec", Read("f"));
}

CASE(Credentials, WorkingDirectoryIsHeldWithoutTheRightToEnterIt) {
  Dir("private", 0700);
  Touch("private/f", 0666);
  Dir("open", 0777);
  IS(0, chdir("private"));
  AsNobody([] {
    IS("EACCES", Open("f", O_RDONLY));
    IS("EACCES", Open("new", O_WRONLY | O_CREAT, 0600));
  });
  IS(0, chdir("../open"));
  AsNobody([] {
    IS("ok", Open("new", O_WRONLY | O_CREAT, 0600));
    IS("ok", Open("/proc/self/cwd/new", O_RDWR));
    IS(0, unlink("new"));
  });
}

CASE(Credentials, FullDescriptorTableIsSeen) {
  Dir("d", 0777);
  AsNobody([] {
    const rlimit limit = {16, 16};
    IS(0, setrlimit(RLIMIT_NOFILE, &limit));
    while (dup(0) >= 0) {
    }
    IS("EMFILE", Open("d/f", O_WRONLY | O_CREAT, 0600));
    IS("nothing", What("d/f"));
  });
}

CASE(Credentials, FileSizeLimitIsTheCallersOwn) {
  Touch("f", 0666);
  AsNobody([] {
    const rlimit limit = {1000, 1000};
    IS(0, setrlimit(RLIMIT_FSIZE, &limit));
    signal(SIGXFSZ, SIG_IGN);
    IS(0, truncate("f", 1000));
    IS("EFBIG", truncate("f", 1001));
  });
  IS("signal 25", InChild([] {
       const rlimit limit = {1000, 1000};
       if (Become(kNobody, kNobodysGroup) != 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
       return truncate("f", 1001) == 0 ? 2 : 3;
     }));
}

CASE(Credentials, OpenOfAFifoWaitsForSomebodyElse) {
  IS(0, mkfifo("fifo", 0666));
  IS(0, chmod("fifo", 0666));
  const pid_t reader = fork();
  if (reader == 0) {
    char byte = 0;
    const int fd = Become(kNobody, kNobodysGroup) == 0 ? open("fifo", O_RDONLY) : -1;
    _exit(read(fd, &byte, 1) == 1 && byte == 'x' ? 0 : 1);
  }
  const int fd = Fd("fifo", O_WRONLY);
  IS(1, write(fd, "x", 1));
  int status = -1;
  IS(reader, waitpid(reader, &status, 0));
  IS(0, status);
}

CASE(Credentials, HardLinksAndRenamesOfOthersFiles) {
  Dir("d", 0777);
  Touch("d/f", 0644);
  Dir("d/sub", 0755);
  AsNobody([] {
    IS(0, rename("d/f", "d/g"));
    IS("EACCES", rename("d/g", "d/sub/g"));
    IS(0, unlink("d/g"));
    IS(0, rmdir("d/sub"));
  });
}

CASE(Credentials, DeviceNodesAreMadeAndChangedAndNeverOpenedInside) {
  IS(0, mknod("c", S_IFCHR | 0644, makedev(1, 3)));
  IS(0, mknod("b", S_IFBLK | 0600, makedev(7, 250)));
  IS("char 0644", What("c"));
  IS("block 0600", What("b"));
  for (const char* name : {"c", "b"}) {
    IS(0, chmod(name, 0660));
    IS(0, chown(name, 1, 1));
    IS(0, utimensat(AT_FDCWD, name, nullptr, 0));
    IS(0, link(name, "second"));
    IS(0, unlink("second"));
    IS(0, rename(name, "moved"));
    IS(0, rename("moved", name));
  }
  IS(BareOrInside("ok", "EACCES"), Open("c", O_RDWR));
  IS(BareOrInside("ok", "EACCES"), Open("c", O_RDONLY));
  IS("EEXIST", mknod("c", S_IFCHR | 0644, makedev(1, 3)));
  Dir("d", 0777);
  AsNobody([] { IS("EPERM", mknod("d/c", S_IFCHR | 0666, makedev(1, 3))); });
  for (const char* name : {"c", "b"}) IS(0, unlink(name));
}

CASE(Credentials, ProgramExecutedBySomebodyElse) {
  Dir("d", 0777);
  // Executing makes the process one that others of its user may look at again.
  IS("exit 0", InChild([] {
       if (Become(kNobody, kNobodysGroup) != 0) return 1;
       execl("/bin/sh", "sh", "-c", "umask 027; echo x > d/f && test -O d/f", nullptr);
       return 126;
     }));
  IS("65534:65533", Owner("d/f"));
  IS("file 0640", What("d/f"));
}

CASE(CredentialsProtected, StickyWorldWritableDirectoriesAreMinefields) {
  Dir("d", 01777);
  Touch("d/others", 0666);
  Give("d/others", kOther, kOther);
  Touch("secret", 0600);
  AsNobody([] {
    IS("EACCES", Open("d/others", O_WRONLY | O_CREAT, 0600));
    IS("ok", Open("d/others", O_WRONLY));
    Touch("d/mine", 0666);
    IS("ok", Open("d/mine", O_WRONLY | O_CREAT, 0600));
    IS("EPERM", link("secret", "d/second"));
    Symlink("mine", "d/link");
    IS("ok", Open("d/link", O_WRONLY));
    IS("ok", Open("d/link", O_WRONLY | O_CREAT, 0600));
  });
  IS("EACCES", Open("d/mine", O_WRONLY | O_CREAT, 0600));
  IS("EACCES", Open("d/link", O_WRONLY));
  IS("EACCES", Open("d/link", O_WRONLY | O_CREAT, 0600));
  As(kOther, kOther, {}, [] { IS("EACCES", Open("d/link", O_RDONLY)); });
}

}  // namespace conformance
