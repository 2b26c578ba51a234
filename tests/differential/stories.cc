#include "tests/differential/stories.h"

#include <string>
#include <utility>

namespace differential {
namespace {

class Story {
 public:
  Story(const Storyteller& teller, int actor) : t_(teller), actor_(actor) {}

  std::vector<Step> Tell() {
    switch (t_.dice.Below(7)) {
      case 0: TemporaryFile(); break;
      case 1: NewOverOpen(); break;
      case 2: LinkByDescriptor(); break;
      case 3: DeepTree(); break;
      case 4: DefaultAcl(); break;
      case 5: LinkLeadingOut(); break;
      default: LookOnly(); break;
    }
    return std::move(steps_);
  }

 private:
  void Add(std::string op, std::vector<std::string> args, int slot = -1) {
    steps_.push_back(Step{actor_, std::move(op), std::move(args), slot});
  }
  std::string Path(const std::string& path) {
    return "\"" + t_.sensible.Spell(actor_, path) + "\"";
  }
  std::string New() { return Path(t_.sensible.NewPath()); }
  std::string Some(Kind kind) {
    std::string path;
    return t_.model.Pick(kind, &path) ? Path(path) : New();
  }
  std::string Wait() const { return t_.words.fifos() ? "|O_NONBLOCK" : ""; }
  static std::string Number(int slot) { return "f" + std::to_string(slot); }
  static std::string Magic(int slot) { return "\"/proc/self/fd/{" + Number(slot) + "}\""; }

  // A second name for an open file, in either of the two ways (open(2), O_TMPFILE).
  void NameIt(int slot) {
    if (t_.dice.Percent(50)) {
      Add("linkat", {Number(slot), "\"\"", "cwd", New(), "AT_EMPTY_PATH"});
    } else {
      Add("linkat", {"cwd", Magic(slot), "cwd", New(), "AT_SYMLINK_FOLLOW"});
    }
  }

  void TemporaryFile() {
    const int slot = t_.new_slot();
    const std::string flags = t_.dice.Of({"O_TMPFILE|O_RDWR", "O_TMPFILE|O_WRONLY",
                                          "O_TMPFILE|O_RDWR|O_EXCL", "O_TMPFILE|O_RDONLY"});
    const std::string place = Path(t_.model.PickPlace());
    if (t_.dice.Percent(30)) {
      Add("openat2", {"cwd", place, flags, t_.words.Mode(), "0", "24"}, slot);
    } else {
      Add("open", {place, flags, t_.words.Mode()}, slot);
    }
    Add("write", {Number(slot), "\"temporary\""});
    Add("fchmod", {Number(slot), t_.words.Mode()});
    NameIt(slot);
    if (t_.dice.Percent(50)) NameIt(slot);
    Add("fstat", {Number(slot), "buf"});
  }

  // What is written aside and renamed over a file that somebody has open.
  void NewOverOpen() {
    const int old_file = t_.new_slot();
    const int new_file = t_.new_slot();
    const std::string target = Some(Kind::kFile);
    const std::string aside = New();
    Add("open", {target, "O_RDWR" + Wait(), "0"}, old_file);
    Add("open", {aside, "O_WRONLY|O_CREAT|O_TRUNC" + Wait(), "0644"}, new_file);
    Add("write", {Number(new_file), "\"new\""});
    if (t_.dice.Percent(50)) Add("fchmod", {Number(new_file), t_.words.Mode()});
    if (t_.dice.Percent(70)) {
      Add("rename", {aside, target});
    } else {
      Add("renameat2", {"cwd", aside, "cwd", target, "RENAME_EXCHANGE"});
    }
    Add("fstat", {Number(old_file), "buf"});
    Add("write", {Number(old_file), "\"to the old one\""});
    if (t_.dice.Percent(40)) NameIt(old_file);
    Add("stat", {target, "buf"});
  }

  void LinkByDescriptor() {
    const int slot = t_.new_slot();
    const std::string flags = t_.dice.Of({"O_RDONLY", "O_RDWR", "O_PATH", "O_PATH|O_NOFOLLOW"});
    Add("open", {Some(t_.dice.Percent(80) ? Kind::kFile : Kind::kLink), flags + Wait(), "0"}, slot);
    if (t_.dice.Percent(30)) Add("unlink", {Some(Kind::kFile)});
    NameIt(slot);
    Add("chmod", {Magic(slot), t_.words.Mode()});
    Add("setxattr", {Magic(slot), "\"user.one\"", "\"by descriptor\"", "0"});
    Add("open", {Magic(slot), t_.dice.Of({"O_RDONLY", "O_WRONLY|O_TRUNC"}) + Wait(), "0"},
        t_.new_slot());
  }

  // Deeper than a path can tell: one directory after the other, each entered.
  void DeepTree() {
    const std::string name = t_.dice.Of({"\"{*255:n}\"", "\"{*250:d}\"", "\"\\xff\\xfe\""});
    for (uint64_t levels = 2 + t_.dice.Below(4); levels > 0; --levels) {
      Add("mkdir", {name, "0755"});
      Add("chdir", {name});
    }
    const int slot = t_.new_slot();
    Add("open", {"\"a\"", "O_RDWR|O_CREAT" + Wait(), "0644"}, slot);
    Add("rename", {"\"a\"", "\"../b\""});
    Add("symlink", {"\"../b\"", "\"l\""});
    Add("chmod", {"\"l\"", "0600"});
    Add("fchmod", {Number(slot), "0640"});
    if (t_.dice.Percent(70)) Add("chdir", {"\"{root}\""});
  }

  void DefaultAcl() {
    std::string directory = t_.model.PickPlace();
    Add("setxattr", {Path(directory), "\"system.posix_acl_default\"", t_.words.AclValue(), "0"});
    Add("umask", {t_.dice.Of({"0", "022", "077", "0777"})});
    const std::string below = Model::Join(directory, t_.words.Name());
    if (t_.dice.Percent(50)) {
      Add("mkdir", {Path(below), t_.words.Mode()});
      directory = below;
    }
    Add("open",
        {Path(Model::Join(directory, t_.words.Name())), "O_RDWR|O_CREAT" + Wait(), t_.words.Mode()},
        t_.new_slot());
    Add("getxattr", {Path(below), "\"system.posix_acl_access\"", "300"});
    Add("umask", {"022"});
  }

  void LinkLeadingOut() {
    const std::string link = New();
    Add("symlink", {t_.words.LinkText(), link});
    const std::string inner = link.substr(0, link.size() - 1) + "/" + t_.words.Name() + "\"";
    Add("open", {link, t_.dice.Of({"O_RDONLY", "O_WRONLY", "O_RDWR|O_CREAT"}) + Wait(), "0644"},
        t_.new_slot());
    Add("chmod", {t_.dice.Percent(50) ? link : inner, "0600"});
    Add("mkdir", {inner, "0755"});
    Add("rename", {Some(Kind::kFile), inner});
    Add("stat", {inner, "buf"});
  }

  void LookOnly() {
    const std::string flags = t_.dice.Of({"O_PATH", "O_PATH|O_NOFOLLOW", "O_PATH|O_DIRECTORY"});
    const Kind kind = t_.dice.Percent(50) ? Kind::kFile : Kind::kLink;
    Add("openat2", {"cwd", Some(kind), flags, "0", t_.dice.Of({"0", "RESOLVE_BENEATH"}), "24"},
        t_.new_slot());
    Add("openat2", {"cwd", Some(Kind::kDirectory), flags, "0", "0", "24"}, t_.new_slot());
  }

  const Storyteller& t_;
  const int actor_;
  std::vector<Step> steps_;
};

}  // namespace

std::vector<Step> TellStory(const Storyteller& teller, int actor) {
  return Story(teller, actor).Tell();
}

}  // namespace differential
