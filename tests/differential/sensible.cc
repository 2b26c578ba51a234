#include "tests/differential/sensible.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string_view>

namespace differential {
namespace {

// What each path of a call should be: e(xisting), f(ile), d(irectory), D(irectory that is empty),
// l(ink), n(ew), any: e or n.
const char* RolesOf(const std::string& op) {
  static const auto* const roles = new std::map<std::string, const char*>{
      {"openat", "a"},    {"openat2", "a"},    {"open", "a"},      {"creat", "n"},
      {"renameat", "en"}, {"renameat2", "ea"}, {"rename", "ea"},   {"mkdirat", "n"},
      {"mkdir", "n"},     {"unlinkat", "u"},   {"unlink", "u"},    {"rmdir", "D"},
      {"linkat", "fn"},   {"link", "fn"},      {"symlinkat", "n"}, {"symlink", "n"},
      {"mknodat", "n"},   {"mknod", "n"},      {"truncate", "f"},  {"chdir", "d"},
      {"readlink", "l"},  {"readlinkat", "l"},
  };
  const auto it = roles->find(op);
  return it == roles->end() ? "ee" : it->second;
}

bool IsOpen(const std::string& op) {
  return op == "open" || op == "openat" || op == "openat2" || op == "creat";
}

std::string Quoted(const std::string& path) { return "\"" + path + "\""; }

std::string Unquoted(const std::string& word) {
  return word.size() < 2 || word[0] != '"' ? "" : word.substr(1, word.size() - 2);
}

bool Has(const std::string& flags, std::string_view flag) {
  return flags.find(flag) != std::string::npos;
}

}  // namespace

std::string Sensible::NewPath() {
  const std::string place = model_.PickPlace();
  std::string path = Model::Join(place, words_.Name());
  for (int i = 0; i < 4 && model_.KindOf(path) != Kind::kNone; ++i) {
    path = Model::Join(place, words_.Name());
  }
  return path;
}

bool Sensible::PickPath(char role, std::string* path) {
  switch (role) {
    case 'f': return model_.Pick(Kind::kFile, path);
    case 'd': return model_.Pick(Kind::kDirectory, path);
    case 'D': return model_.PickEmptyDirectory(path);
    case 'l': return model_.Pick(Kind::kLink, path);
    case 'u': return model_.Pick(dice_.Percent(80) ? Kind::kFile : Kind::kLink, path);
    case 'e': return model_.PickAny(path);
    case 'a':
      if (dice_.Percent(60)) return model_.PickAny(path);
      [[fallthrough]];
    default: *path = NewPath(); return true;
  }
}

std::string Sensible::RelativeTo(const std::string& directory, const std::string& path) const {
  if (path == directory) return ".";
  if (directory.empty()) return path;
  return path.starts_with(directory + "/") ? path.substr(directory.size() + 1) : "";
}

std::string Sensible::Spell(int actor, const std::string& path, std::string* dirfd) {
  if (dirfd != nullptr && dice_.Percent(45)) {
    const int slot = model_.PickSlot(actor, [&](const Slot& s) {
      return s.kind == Kind::kDirectory && !RelativeTo(s.path, path).empty();
    });
    if (slot >= 0) {
      *dirfd = "f" + std::to_string(slot);
      return RelativeTo(model_.slot(slot).path, path);
    }
  }
  const std::string relative = RelativeTo(model_.cwd(actor), path);
  const std::string absolute = path.empty() ? "{root}" : "{root}/" + path;
  if (relative.empty() || dice_.Percent(12)) {
    return dice_.Percent(90) ? absolute : "{mount}/../mount" + absolute.substr(6);
  }
  if (dice_.Percent(88)) return relative;
  return dice_.Of({"./", "/proc/self/cwd/", ".//", "././"}) + relative;
}

std::string Sensible::OpenFlags(Kind kind) {
  std::string flags;
  const auto maybe = [&](unsigned chance, const char* flag) {
    if (dice_.Percent(chance)) flags += flag;
  };
  if (kind == Kind::kDirectory) {
    flags = "O_RDONLY";
    maybe(60, "|O_DIRECTORY");
    maybe(12, "|O_PATH");
    maybe(8, "|O_NOFOLLOW");
  } else if (kind == Kind::kNone) {
    flags = dice_.Of({"O_RDWR|O_CREAT", "O_RDWR|O_CREAT", "O_WRONLY|O_CREAT", "O_RDONLY|O_CREAT"});
    maybe(30, "|O_EXCL");
    maybe(10, "|O_TRUNC");
  } else {
    flags = dice_.Of({"O_RDONLY", "O_RDONLY", "O_WRONLY", "O_RDWR", "O_RDWR"});
    maybe(18, "|O_CREAT");
    maybe(12, "|O_TRUNC");
    maybe(8, "|O_PATH");
    maybe(8, "|O_NOFOLLOW");
  }
  if (kind != Kind::kDirectory) maybe(10, "|O_APPEND");
  maybe(15, "|O_CLOEXEC");
  maybe(4, "|O_SYNC");
  maybe(3, "|O_NOATIME");
  if (words_.fifos() || dice_.Percent(5)) flags += "|O_NONBLOCK";
  return flags;
}

std::string Sensible::AtFlags(const Op& op) const {
  const std::string name = op.name;
  if (name == "unlinkat") {
    return model_.KindOf(paths_[0]) == Kind::kDirectory ? "AT_REMOVEDIR" : "0";
  }
  if (name == "linkat") return dice_.Of({"0", "0", "AT_SYMLINK_FOLLOW", "AT_EMPTY_PATH"});
  return dice_.Of({"0", "0", "0", "AT_SYMLINK_NOFOLLOW", "AT_EMPTY_PATH"});
}

std::string Sensible::RenameFlags() const {
  if (dice_.Percent(2)) return dice_.Of({"RENAME_WHITEOUT", "RENAME_WHITEOUT|RENAME_NOREPLACE"});
  if (model_.KindOf(paths_[1]) == Kind::kNone) return dice_.Of({"0", "RENAME_NOREPLACE"});
  return dice_.Of({"0", "RENAME_EXCHANGE"});
}

// The `position`th of the numbers of a call.
std::string Sensible::Number(const Op& op, size_t position) {
  const std::string name = op.name;
  if (name.starts_with("mknod")) return "0";
  if (name.find("setxattr") != std::string::npos) return "0";
  if (name.find("access") != std::string::npos) return dice_.Of({"0", "4", "2", "1", "6"});
  if (name == "lseek")
    return position == 0 ? dice_.Of({"0", "1", "100"}) : dice_.Of({"0", "1", "2"});
  if (name == "fallocate") return position == 0 ? "0" : dice_.Of({"100", "5000"});
  if (name == "statx") return "0x7ff";
  if (name == "unshare" || name.starts_with("dup")) return words_.For('n', op)[0];
  return dice_.Of({"0", "1", "3", "100", "5000"});
}

// The words of an attribute's name and value, which must fit each other.
std::vector<std::string> Sensible::Attribute(const Op& op) {
  const std::string letters = op.args;
  const bool gives_value =
      letters.find('v') != std::string::npos || op.name == std::string_view("setxattrat");
  if (gives_value && dice_.Percent(25)) {
    const bool directory = !paths_.empty() && model_.KindOf(paths_[0]) == Kind::kDirectory;
    return {directory && dice_.Percent(70) ? "\"system.posix_acl_default\""
                                           : "\"system.posix_acl_access\"",
            words_.AclValue()};
  }
  return {dice_.Of({"\"user.present\"", "\"user.present\"", "\"user.one\""}),
          dice_.Of({"\"v\"", "\"value\"", "\"\"", "\"{*300:w}\"", "\"a\\x00b\""})};
}

std::string Sensible::Id(const Op& /*op*/, size_t position) const {
  return position == 0 ? "-1" : dice_.Of({"-1", "54321"});
}

// A descriptor that the call can use.
bool Sensible::FillDescriptor(const Op& op, Step* step) {
  const std::string name = op.name;
  const int slot = model_.PickSlot(step->actor, [&](const Slot& s) {
    if (name == "listdir" || name == "fchdir") return s.kind == Kind::kDirectory && s.readable;
    if (name == "read" || name == "pread64") return s.readable && s.kind != Kind::kDirectory;
    if (name.find("write") != std::string::npos || name == "ftruncate" || name == "fallocate") {
      return s.writable;
    }
    return true;
  });
  if (slot < 0) return false;
  step->args.push_back("f" + std::to_string(slot));
  paths_.push_back(model_.slot(slot).path);
  return true;
}

bool Sensible::Word(char letter, const Op& op, Step* step) {
  const Kind kind = paths_.empty() ? Kind::kNone : model_.KindOf(paths_[0]);
  switch (letter) {
    case 'f': return FillDescriptor(op, step);
    case 'o':
      step->args.push_back(op.name == std::string_view("dup3") ? dice_.Of({"0", "O_CLOEXEC"})
                                                               : OpenFlags(kind));
      return true;
    case 'A': step->args.emplace_back("0"); return true;
    case 'B': step->args.push_back(dice_.Of({"64", "300", "4096", "5000"})); return true;
    case 'V': step->args.push_back(dice_.Of({"NULL", "1000000500.7,900000000.5"})); return true;
    case 'H': {
      const std::string flags = OpenFlags(kind);
      const std::string resolve = dice_.Of({"0", "0", "0", "RESOLVE_BENEATH", "RESOLVE_IN_ROOT",
                                            "RESOLVE_NO_SYMLINKS", "RESOLVE_NO_MAGICLINKS"});
      const bool path_only = Has(flags, "O_PATH");
      const bool creates = !path_only && Has(flags, "O_CREAT");
      step->args.insert(step->args.end(), {path_only ? std::string("O_PATH|O_CLOEXEC") : flags,
                                           creates ? words_.Mode() : "0", resolve, "24"});
      return true;
    }
    case 'a': step->args.push_back(AtFlags(op)); return true;
    case 'r': step->args.push_back(RenameFlags()); return true;
    default:
      for (std::string& word : words_.For(letter, op)) step->args.push_back(std::move(word));
      return true;
  }
}

bool Sensible::Fill(const Op& op, Step* step) {
  const char* role = RolesOf(op.name);
  const std::vector<std::string> attribute = Attribute(op);
  const bool gets = op.name == std::string_view("getxattrat");
  size_t numbers = 0;
  size_t ids = 0;
  paths_.clear();
  step->args.clear();
  for (const char* letter = op.args; *letter != '\0'; ++letter) {
    switch (*letter) {
      case 'd': step->args.emplace_back("cwd"); break;
      case 'p': {
        std::string path;
        if (!PickPath(*role++, &path)) return false;
        paths_.push_back(path);
        const bool at = letter != op.args && letter[-1] == 'd';
        const std::string word =
            Quoted(Spell(step->actor, path, at ? &step->args.back() : nullptr));
        step->args.push_back(word);
        break;
      }
      case 'N': step->args.push_back(attribute[0]); break;
      case 'v': step->args.push_back(attribute[1]); break;
      case 'Z':  // of getxattrat it is the room for the value
        step->args.insert(step->args.end(),
                          {gets ? std::string("\"{*300:w}\"") : attribute[1], "0"});
        break;
      case 'n': step->args.push_back(Number(op, numbers++)); break;
      case 'u': step->args.push_back(Id(op, ids++)); break;
      default:
        if (!Word(*letter, op, step)) return false;
    }
  }
  return true;
}

// The path of the model that a word stands for; "?" when it cannot be told.
std::string Sensible::Unspell(int actor, const std::string& dirfd, const std::string& word) const {
  std::string path = Unquoted(word);
  std::string base = model_.cwd(actor);
  if (path.empty() || Has(path, "..") || Has(path, "{mount}") || Has(path, "{*20") ||
      Has(path, "{*4")) {
    return "?";
  }
  if (path.starts_with("{root}")) {
    base.clear();
    path = path.size() > 7 ? path.substr(7) : ".";
  } else if (path.starts_with("/proc/self/cwd/")) {
    path = path.substr(15);
  } else if (path[0] == '/') {
    return "?";
  } else if (!dirfd.empty() && dirfd[0] == 'f') {
    const Slot& slot = model_.slot(atoi(dirfd.c_str() + 1));
    if (slot.kind != Kind::kDirectory) return "?";
    base = slot.path;
  }
  while (path.starts_with("./")) path = path.substr(2);
  while (path.starts_with("/")) path = path.substr(1);
  while (path.size() > 1 && path.ends_with("/")) path.pop_back();
  if (path == "." || path.empty()) return base;
  return Model::Join(base, path);
}

void Sensible::Follow(const Op& op, const Step& step) {
  FollowDescriptors(op, step);
  FollowPaths(op, step);
}

void Sensible::FollowDescriptors(const Op& op, const Step& step) {
  const std::string name = op.name;
  const auto slot_of = [&](const std::string& word) {
    return word.size() > 1 && word[0] == 'f' ? &model_.slot(atoi(word.c_str() + 1)) : nullptr;
  };
  if (name == "close") {
    if (Slot* slot = slot_of(step.args[0])) slot->kind = Kind::kNone;
  } else if (name == "fchdir") {
    Slot* slot = slot_of(step.args[0]);
    if (slot != nullptr && slot->kind == Kind::kDirectory) {
      model_.ChangeDirectory(step.actor, slot->path);
    }
  }
  if (step.slot < 0) return;
  Slot& made = model_.slot(step.slot);
  if (name.starts_with("dup")) {
    if (const Slot* slot = slot_of(step.args[0])) made = *slot;
    made.actor = step.actor;
  } else {
    made = Slot();
  }
}

void Sensible::FollowPaths(const Op& op, const Step& step) {
  std::vector<std::string> paths;
  std::string dirfd;
  size_t word = 0;
  for (const char* letter = op.args; *letter != '\0'; ++letter) {
    if (*letter == 'd') dirfd = step.args[word];
    if (*letter == 'p') {
      paths.push_back(Unspell(step.actor, dirfd, step.args[word]));
      dirfd.clear();
    }
    word += WordsOf(*letter);
  }
  if (paths.empty() || std::count(paths.begin(), paths.end(), "?") != 0) return;
  const std::string name = op.name;
  const Kind kind = model_.KindOf(paths[0]);
  if (name.starts_with("mkdir")) {
    model_.Add(paths[0], Kind::kDirectory, true);
  } else if (name.starts_with("symlink")) {
    model_.Add(paths[0], Kind::kLink, true);
  } else if (name.starts_with("mknod")) {
    const std::string& mode = step.args[name == "mknod" ? 1 : 2];
    model_.Add(paths[0], Has(mode, "S_IFREG") ? Kind::kFile : Kind::kOther, true);
  } else if (name.starts_with("rename")) {
    if (kind != Kind::kNone) {
      model_.Move(paths[0], paths[1], name == "renameat2" && Has(step.args[4], "EXCHANGE"));
    }
  } else if (name.starts_with("link")) {
    if (kind != Kind::kNone && kind != Kind::kDirectory) model_.Add(paths[1], kind, true);
  } else if (name.starts_with("unlink") || name == "rmdir") {
    if (model_.Below(paths[0]).empty()) model_.Remove(paths[0]);
  } else if (name == "chdir") {
    if (kind == Kind::kDirectory) model_.ChangeDirectory(step.actor, paths[0]);
  } else if (IsOpen(name) && step.slot >= 0) {
    const std::string flags =
        name == "creat" ? "O_WRONLY|O_CREAT" : step.args[name == "open" ? 1 : 2];
    Slot& slot = model_.slot(step.slot);
    const bool temporary = Has(flags, "O_TMPFILE");
    if (kind == Kind::kNone && !Has(flags, "O_CREAT")) return;
    if (kind == Kind::kNone) model_.Add(paths[0], Kind::kFile, true);
    if (name == "openat2" && Has(flags, "O_PATH")) return;  // closed again at once
    slot.kind = temporary || kind != Kind::kDirectory ? Kind::kFile : Kind::kDirectory;
    slot.path = temporary ? "" : paths[0];
    slot.unnamed = temporary;
    slot.readable = !Has(flags, "O_WRONLY") && !Has(flags, "O_PATH");
    slot.writable = !Has(flags, "O_RDONLY") && !Has(flags, "O_PATH");
    slot.actor = step.actor;
  }
}

}  // namespace differential
