// Long names and paths, many links, odd bytes: path_resolution(7).
#include <vector>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

// Everything that takes one path, by name, for rules that hold for all of them.
struct OnePathCall {
  const char* name;
  std::function<long(const char*)> call;
};

const std::vector<OnePathCall>& OnePathCalls() {
  static const std::vector<OnePathCall> calls = {
      {"open", [](const char* p) { return open(p, O_RDWR); }},
      {"open read", [](const char* p) { return open(p, O_RDONLY); }},
      {"open create", [](const char* p) { return open(p, O_RDWR | O_CREAT, 0600); }},
      {"open create exclusively",
       [](const char* p) { return open(p, O_RDWR | O_CREAT | O_EXCL, 0600); }},
      {"open temporary", [](const char* p) { return open(p, O_RDWR | O_TMPFILE, 0600); }},
      {"creat", [](const char* p) { return creat(p, 0600); }},
      {"mkdir", [](const char* p) { return mkdir(p, 0755); }},
      {"rmdir", [](const char* p) { return rmdir(p); }},
      {"unlink", [](const char* p) { return unlink(p); }},
      {"mkfifo", [](const char* p) { return mkfifo(p, 0600); }},
      {"symlink", [](const char* p) { return symlink("x", p); }},
      {"link from", [](const char* p) { return link(p, "to"); }},
      {"link to", [](const char* p) { return link("f", p); }},
      {"rename from", [](const char* p) { return rename(p, "to"); }},
      {"rename to", [](const char* p) { return rename("f", p); }},
      {"chmod", [](const char* p) { return chmod(p, 0644); }},
      {"chown", [](const char* p) { return chown(p, -1, -1); }},
      {"lchown", [](const char* p) { return lchown(p, -1, -1); }},
      {"truncate", [](const char* p) { return truncate(p, 0); }},
      {"utimensat", [](const char* p) { return utimensat(AT_FDCWD, p, nullptr, 0); }},
      {"access", [](const char* p) { return access(p, F_OK); }},
  };
  return calls;
}

void AllAre(const std::string& expected, const std::string& path) {
  for (const OnePathCall& one : OnePathCalls()) {
    const std::string name = std::string(one.name) + ": ";
    IS(name + expected, name + Answer(one.call(path.c_str())));
  }
}

}  // namespace

CASE(Names, ComponentOf255BytesIsTheLongest) {
  const std::string longest = Times(255, "n");
  const std::string longer = Times(256, "n");
  Touch("f");
  IS("ok", Open(longest, O_RDWR | O_CREAT, 0600));
  IS("file 0600", What(longest));
  IS(0, rename(longest.c_str(), Times(255, "m").c_str()));
  IS(0, link("f", longest.c_str()));
  IS(0, unlink(longest.c_str()));
  IS(0, mkdir(longest.c_str(), 0755));
  IS(0, rmdir(longest.c_str()));
  IS(0, symlink("f", longest.c_str()));
  IS("ok", Open(longest, O_RDWR));
  AllAre("ENAMETOOLONG", longer);
  AllAre("ENAMETOOLONG", longer + "/x");
}

CASE(Names, PathOf4095BytesIsTheLongest) {
  Touch("f");
  const std::string dots = Times(2046, "./");
  IS("ok", Open(dots + "new", O_RDWR | O_CREAT, 0600));  // 4095 bytes
  IS("ok", Open(dots + "new", O_RDWR));
  IS(0, mkdir((dots + "dir").c_str(), 0755));
  IS(0, rename((dots + "dir").c_str(), (dots + "rid").c_str()));
  IS(0, rmdir((dots + "rid").c_str()));
  IS(0, unlink((dots + "new").c_str()));
  AllAre("ENAMETOOLONG", dots + "news");
  AllAre("ENAMETOOLONG", Times(5000, "/"));
}

CASE(Names, DeepTreeIsReachedStepByStep) {
  const std::string name = Times(250, "d");
  for (int i = 0; i < 20; ++i) {  // 5000 bytes of path
    IS(0, mkdir(name.c_str(), 0755));
    IS(0, chdir(name.c_str()));
  }
  IS("ok", Open("f", O_RDWR | O_CREAT, 0600));
  IS("ok", Open("../g", O_RDWR | O_CREAT, 0600));
  IS(0, rename("../g", "g"));
  IS(0, chmod("f", 0644));
  IS("f g", Names("."));
  IS(0, unlink("f"));
  IS(0, unlink("g"));
  for (int i = 0; i < 20; ++i) {
    IS(0, chdir(".."));
    IS(0, rmdir(name.c_str()));
  }
}

// The real path of what is named is then longer than PATH_MAX, which no single path may be.
CASE(Names, LongestPathBelowADirectory) {
  Touch("f");
  std::string directory;
  const std::string name = Times(249, "p") + "/";
  while (directory.size() + name.size() <= 4000) {
    directory += name;
    IS(0, mkdir(directory.c_str(), 0755));
  }
  const std::string longest = directory + Times(4095 - directory.size(), "x");
  IS(4095, static_cast<long>(longest.size()));
  IS("ok", Open(longest, O_RDWR | O_CREAT | O_EXCL, 0600));
  IS("ok", Open(longest, O_RDWR | O_CREAT, 0600));
  IS("ok", Open(longest, O_RDONLY));
  IS(0, chmod(longest.c_str(), 0640));
  IS("file 0640", What(longest));
  IS(0, chown(longest.c_str(), -1, -1));
  IS(0, utimensat(AT_FDCWD, longest.c_str(), nullptr, 0));
  IS(0, truncate(longest.c_str(), 7));
  IS(0, rename(longest.c_str(), "g"));
  IS(0, rename("g", longest.c_str()));
  IS(0, link(longest.c_str(), "g"));
  IS(0, unlink(longest.c_str()));
  IS(0, link("g", longest.c_str()));
  IS(0, unlink(longest.c_str()));
  IS(0, symlink("f", longest.c_str()));
  IS(0, lchown(longest.c_str(), -1, -1));
  IS(0, unlink(longest.c_str()));
  IS(0, mkfifo(longest.c_str(), 0600));
  IS(0, unlink(longest.c_str()));
  IS(0, mkdir(longest.c_str(), 0755));
  IS(0, chmod(longest.c_str(), 0700));
  const int fd = Fd(longest, O_RDONLY | O_DIRECTORY);
  IS("ok", OpenAt(fd, "f", O_RDWR | O_CREAT, 0600));
  IS("ok", OpenAt(fd, "../g", O_RDWR | O_CREAT, 0600));
  IS(0, fchmod(fd, 0755));
  IS(0, futimens(fd, nullptr));
  IS(0, unlinkat(fd, "f", 0));
  IS(0, unlinkat(fd, "../g", 0));
  IS(0, rmdir(longest.c_str()));
  AllAre("ENAMETOOLONG", longest + "x");
}

// The answer to exactly as many links as the kernel follows. It begins a walk without locks, and
// begins it anew, with them, when something else on the machine gets in the way; the links of both
// count (fs/namei.c: total_link_count outlives ECHILD). Then forty are too many once, bare as in a
// session. One more than forty is never asked for twice.
template <typename Call>
auto AtTheLimit(Call call) {
  auto answer = call();
  for (int again = 0; again < 20 && Answer(answer) == "ELOOP"; ++again) answer = call();
  return answer;
}

CASE(Names, FortyLinksAreFollowedAndNoMore) {
  Touch("f");
  Symlink("f", "l1");
  for (int i = 2; i <= 41; ++i) Symlink("l" + std::to_string(i - 1), "l" + std::to_string(i));
  IS("ok", AtTheLimit([] { return Open("l40", O_RDWR); }));
  IS("ok", AtTheLimit([] { return Open("l40", O_RDWR | O_CREAT, 0600); }));
  IS("ok", AtTheLimit([] { return Open("l40", O_RDONLY); }));
  IS(0, AtTheLimit([] { return truncate("l40", 3); }));
  IS(0, AtTheLimit([] { return chmod("l40", 0600); }));
  IS("ELOOP", Open("l41", O_RDWR));
  IS("ELOOP", Open("l41", O_RDWR | O_CREAT, 0600));
  IS("ELOOP", Open("l41", O_RDONLY));
  IS("ELOOP", truncate("l41", 0));
  IS("ELOOP", chmod("l41", 0600));
  IS("ELOOP", chown("l41", -1, -1));
  IS("ELOOP", utimensat(AT_FDCWD, "l41", nullptr, 0));
  IS("ELOOP", linkat(AT_FDCWD, "l41", AT_FDCWD, "new", AT_SYMLINK_FOLLOW));
  IS(0, link("l41", "new"));
}

CASE(Names, AbsoluteLinksCountAsOthers) {
  char cwd[4096];
  IS(true, getcwd(cwd, sizeof(cwd)) != nullptr);
  const std::string here = std::string(cwd) + "/";
  Touch("f");
  Symlink(here + "f", "l1");
  for (int i = 2; i <= 41; ++i)
    Symlink(here + "l" + std::to_string(i - 1), "l" + std::to_string(i));
  IS("ok", AtTheLimit([] { return Open("l40", O_RDWR); }));
  IS("ok", AtTheLimit([] { return Open("l40", O_RDWR | O_CREAT, 0600); }));
  IS("ELOOP", Open("l41", O_RDWR));
  IS("ELOOP", Open("l41", O_RDWR | O_CREAT, 0600));
}

CASE(Names, LinksBeforeACreationCountAsOthers) {
  Dir("d");
  Symlink("d", "d1");
  for (int i = 2; i <= 30; ++i) Symlink("d" + std::to_string(i - 1), "d" + std::to_string(i));
  Symlink("made", "d/e1");
  for (int i = 2; i <= 20; ++i) Symlink("e" + std::to_string(i - 1), "d/e" + std::to_string(i));
  IS("ELOOP", Open("d30/e11", O_RDWR | O_CREAT, 0600));
  IS("ok", AtTheLimit([] { return Open("d30/e10", O_RDWR | O_CREAT, 0600); }));
  IS("file 0600", What("d/made"));
}

CASE(Names, LoopsAreEloop) {
  Symlink("a", "b");
  Symlink("b", "a");
  Symlink("self/x", "self");
  for (const std::string name : {"a", "self", "a/x", "self/x", "a/"}) {
    IS("ELOOP", Open(name, O_RDWR));
    IS("ELOOP", Open(name, O_RDONLY));
    IS("ELOOP", truncate(name.c_str(), 0));
    IS("ELOOP", chmod(name.c_str(), 0600));
  }
  IS("ELOOP", Open("a", O_RDWR | O_CREAT, 0600));
  IS("ELOOP", mkdir("a/x", 0755));
  IS("ELOOP", unlink("a/x"));
  IS("ELOOP", rename("a/x", "c"));
  IS("EEXIST", mkdir("a", 0755));
  IS(0, unlink("a"));
}

CASE(Names, OddBytesAreNames) {
  for (const std::string name :
       {" ", "\n", "\t", "\\", "*", "?", "[a]", "-", "...", ".. ", "\x01", "\x7f", "\xff\xfe",
        "\xc3\xa9", "a b", "'", "\"", "#1", "x (deleted)"}) {
    IS("ok", Open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
    IS("ok", Open(name, O_RDWR));
    IS(0, chmod(name.c_str(), 0644));
    IS("file 0644", What(name));
    IS(0, rename(name.c_str(), "other"));
    IS(0, mkdir(name.c_str(), 0755));
    IS("ok", Open(name + "/x", O_RDWR | O_CREAT, 0600));
    IS(0, unlink((name + "/../" + name + "//x").c_str()));
    IS(0, rmdir(name.c_str()));
    IS(0, unlink("other"));
  }
  IS("", Names("."));
}

CASE(Names, EmptyPathIsEnoentEverywhere) {
  Touch("f");
  AllAre("ENOENT", "");
}

CASE(Names, MissingDirectoryIsEnoentEverywhere) {
  Touch("f");
  AllAre("ENOENT", "missing/x");
  AllAre("ENOENT", "missing/../x");
}

CASE(Names, FileOnTheWayIsEnotdirEverywhere) {
  Touch("f");
  Touch("g");
  AllAre("ENOTDIR", "g/x");
  AllAre("ENOTDIR", "g/../x");
}

CASE(Names, UnsearchableDirectoryIsEaccesEverywhere) {
  Touch("f");
  Dir("closed");
  Touch("closed/x");
  IS(0, chmod("closed", 0600));
  AllAre("EACCES", "closed/x");
  AllAre("EACCES", "closed/missing");
  AllAre("EACCES", "closed/../f");
}

CASE(Names, DanglingDirectoryLinkIsEnoentEverywhere) {
  Touch("f");
  Symlink("nowhere", "dangling");
  AllAre("ENOENT", "dangling/x");
}

CASE(Names, DoubleSlashesAndDotsDoNotMatter) {
  Dir("d");
  Touch("d/f");
  for (const std::string path : {"d//f", "./d/f", "d/./f", ".//./d///.//f", "d/../d/f", "../"}) {
    if (path == "../") continue;
    IS("ok", Open(path, O_RDWR));
    IS("ok", Open(path, O_RDWR | O_CREAT, 0600));
    IS(0, chmod(path.c_str(), 0644));
  }
}

}  // namespace conformance
