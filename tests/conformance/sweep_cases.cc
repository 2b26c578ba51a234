// Sweeps: every call on every form of a path, every pair of forms for what takes two, every kind of
// dirfd with every AT_ flag, every set of open flags on every kind of object.
#include <ftw.h>

#include <cstring>

#include "tests/conformance/conformance.h"
#include "tests/conformance/sweep.h"

namespace conformance {
namespace {

int Forget(const char* path, const struct stat* /*info*/, int type, FTW* at) {
  if (at->level == 0) return 0;
  return type == FTW_DP ? rmdir(path) : unlink(path);
}

void Describe(const std::string& directory, std::string* text) {
  std::string names = Names(directory) + " ";
  for (size_t at = 0, end; (end = names.find(' ', at)) != std::string::npos; at = end + 1) {
    if (end == at) continue;
    const std::string name = names.substr(at, end - at);
    const std::string path = directory + "/" + name;
    const std::string what = What(path);
    *text += name + "=" + what + " " + std::to_string(Links(path));
    if (what == "link") *text += ">" + LinkText(path);
    if (what.starts_with("file")) *text += ":" + std::to_string(Size(path));
    *text += ",";
    if (what.starts_with("dir")) Describe(path, text);
  }
}

const char* const kForms[] = {
    "f",       "f/",       "f/.",    "f/..",      "f/x",  "d",
    "d/",      "d/.",      "d/..",   "d//",       "d/./", "d/inner",
    "d/new",   "d/new/",   "d/../f", "e",         "e/",   "e/.",
    "lf",      "lf/",      "lf/.",   "ld",        "ld/",  "ld/.",
    "ld/..",   "ld/inner", "ld/new", "ld/../new", "le",   "le/",
    "dl",      "dl/",      "dl/.",   "dl/x",      "loop", "loop/",
    "loop/x",  "p",        "p/",     "p/x",       "new",  "new/",
    "new/.",   "new//",    "new/x",  ".",         "./",   "./.",
    "..",      "../",      "../.",   "",          "ro/f", "ro/new",
    "ro/../f", "no",       "no/x",   "no/..",     "no/.", ".//d/.//inner"};

const char* const kPairForms[] = {
    "f", "f/",  "f/x",  "d",     "d/", "d/.", "d/..",   "d/inner", "d/sub",  "d/new",
    "e", "e/",  "hl",   "lf",    "ld", "ld/", "ld/new", "dl",      "dl/",    "loop",
    "p", "new", "new/", "new/x", ".",  "..",  "",       "ro/f",    "ro/new", "no/x"};

struct Dirfd {
  const char* name;
  int fd;
};

std::vector<Dirfd> OpenDirfds() {
  Dir("gone");
  chmod("no", 0700);
  std::vector<Dirfd> dirfds = {{"cwd", AT_FDCWD},
                               {"dir", Fd("d", O_RDONLY | O_DIRECTORY)},
                               {"dir path", Fd("d", O_PATH)},
                               {"unsearchable", Fd("no", O_PATH)},
                               {"gone", Fd("gone", O_RDONLY)},
                               {"file", Fd("f", O_RDWR)},
                               {"file path", Fd("f", O_PATH)},
                               {"link path", Fd("lf", O_PATH | O_NOFOLLOW)},
                               {"fifo", Fd("p", O_RDWR)},
                               {"closed", 77},
                               {"-1", -1}};
  chmod("no", 0);
  rmdir("gone");
  return dirfds;
}

}  // namespace

SweepScene::SweepScene() {
  Dir("scene");
  directory_ = Fd("scene", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  Rebuild();
}

void SweepScene::Enter() const { IS(0, fchdir(directory_)); }

void SweepScene::Rebuild() {
  Enter();
  chmod(".", 0755);
  chmod("..", 0755);
  for (const char* name : {"ro", "no", "d", "e"}) chmod(name, 0755);
  nftw(".", Forget, 8, FTW_PHYS | FTW_DEPTH);
  Touch("f", 0644, "content");
  for (const char* name : {"d", "d/sub", "e", "ro", "no"}) Dir(name);
  Touch("d/inner");
  Touch("ro/f");
  IS(0, link("f", "hl"));
  IS(0, mkfifo("p", 0644));
  Symlink("f", "lf");
  Symlink("d", "ld");
  Symlink("e", "le");
  Symlink("nowhere", "dl");
  Symlink("loop", "loop");
  IS(0, chmod("ro", 0555));
  IS(0, chmod("no", 0));
  pristine_ = Tree();
}

void SweepScene::Compare(const std::string& name, const std::string& outcome) {
  // What a failed call did all the same, the next look at the tree shows.
  const std::string tree = outcome[0] == 'E' ? pristine_ : Tree();
  SAME(name + outcome + (tree != pristine_ ? " leaves " + tree : ""));
  if (tree != pristine_) Rebuild();
}

std::string SweepScene::Tree() const {
  Enter();
  std::string text;
  Describe(".", &text);
  return text + Names("..");
}

std::string Outcome(long value, bool opens) {
  if (value < 0 || !opens) return Answer(value);
  const int fd = static_cast<int>(value);
  const int flags = fcntl(fd, F_GETFL) & ~O_NOFOLLOW;  // of a file: docs/fidelity.md
  close(fd);
  char text[32];
  snprintf(text, sizeof(text), "ok %o", flags);
  return text;
}

CASE(Sweep, EveryCallOnEveryFormOfAPath) {
  SweepScene scene;
  // With several mounts no socket is made in any (docs/errors.md).
  const bool several_mounts = access("../../zz-another-mount", F_OK) == 0;
  for (const PathCall& call : PathCalls()) {
    if (several_mounts && std::string(call.name) == "bind") continue;
    for (const char* form : kForms) {
      const std::string name = std::string(call.name) + " \"" + form + "\": ";
      const std::string outcome = Outcome(call.call(form), call.opens);
      scene.Enter();
      scene.Compare(name, outcome);
    }
  }
}

CASE(Sweep, EveryPairOfForms) {
  SweepScene scene;
  for (const PairCall& call : PairCalls()) {
    for (const char* from : kPairForms) {
      for (const char* to : kPairForms) {
        const std::string name = std::string(call.name) + " \"" + from + "\" \"" + to + "\": ";
        const std::string outcome = Answer(call.call(from, to));
        scene.Compare(name, outcome);
      }
    }
  }
}

CASE(Sweep, EveryDirfdWithEveryAtFlag) {
  constexpr int kFlags[] = {0,
                            AT_EMPTY_PATH,
                            AT_SYMLINK_NOFOLLOW,
                            AT_SYMLINK_FOLLOW,
                            AT_REMOVEDIR,
                            AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
                            4,
                            0x8000};
  SweepScene scene;
  for (const AtCall& call : AtCalls()) {
    scene.Rebuild();
    const std::vector<Dirfd> dirfds = OpenDirfds();
    for (const Dirfd& dirfd : dirfds) {
      for (const char* path : {"", "inner", "new", "sub", ".", "..", "f", "lf", "f/", "(null)"}) {
        for (const int flags : kFlags) {
          if (flags != 0 && !call.takes_flags) break;
          char tell[96];
          snprintf(tell, sizeof(tell), "%s %s \"%s\" %#x: ", call.name, dirfd.name, path, flags);
          const char* given = strcmp(path, "(null)") == 0 ? nullptr : path;
          const std::string outcome = Outcome(call.call(dirfd.fd, given, flags), call.opens);
          SAME(tell + outcome);  // and on with what is left
        }
      }
    }
    for (const Dirfd& dirfd : dirfds) {
      if (dirfd.fd > 2 && dirfd.fd < 70) close(dirfd.fd);
    }
  }
}

CASE(Sweep, EverySetOfOpenFlagsOnEveryKind) {
  SweepScene scene;
  constexpr int kBits[] = {O_CREAT,     O_EXCL,     O_TRUNC, O_APPEND,
                           O_DIRECTORY, O_NOFOLLOW, O_PATH,  O_TMPFILE & ~O_DIRECTORY};
  for (int access = 0; access < 4; ++access) {
    for (unsigned set = 0; set < 256; ++set) {
      int flags = access | O_NONBLOCK;
      for (int bit = 0; bit < 8; ++bit) flags |= (set >> bit & 1) != 0 ? kBits[bit] : 0;
      char tell[32];
      snprintf(tell, sizeof(tell), "%o:", flags);
      std::string answers = tell;
      for (const char* path :
           {"f", "d", "d/", "lf", "ld", "dl", "p", "new", "new/", "d/.", "ro/x"}) {
        answers += std::string(" ") + path + " " + Outcome(open(path, flags, 0640), true);
        if (Size("f") == 0) Touch("f", 0644, "content"), answers += " emptied";
        if (unlink("new") == 0 || unlink("nowhere") == 0) answers += " made";
      }
      SAME(answers);
    }
  }
}

CASE(Sweep, EverySetOfStatusFlags) {
  SweepScene scene;
  constexpr int kBits[] = {O_SYNC,   O_DSYNC, O_ASYNC,   O_DIRECT,  O_NOATIME,
                           O_NOCTTY, 0100000, O_CLOEXEC, 0x40000000};
  for (const int access : {O_RDONLY, O_WRONLY, O_RDWR | O_CREAT, O_RDWR | O_TMPFILE}) {
    for (unsigned set = 0; set < 512; ++set) {
      int flags = access | O_NONBLOCK;
      for (int bit = 0; bit < 9; ++bit) flags |= (set >> bit & 1) != 0 ? kBits[bit] : 0;
      char tell[32];
      snprintf(tell, sizeof(tell), "%o:", flags);
      std::string answers = tell;
      for (const char* path : {"f", "d", "p", "new", "/dev/null"}) {
        answers += std::string(" ") + path + " " + Outcome(open(path, flags, 0640), true);
        unlink("new");
      }
      SAME(answers);
    }
  }
}

}  // namespace conformance
