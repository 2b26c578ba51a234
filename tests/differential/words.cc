#include "tests/differential/words.h"

namespace differential {

std::string WordMaker::Name() {
  if (!dice_.Percent(8)) return dice_.Of({"a", "b", "c", "d", "e", "sub", "x"});
  return dice_.Of({"-x", "new\\nline", "{*255:n}", "{*256:n}", "\\xff\\xfe", "...", "x (deleted)",
                   " ", "..x", "{*100:m}", "\\xc3\\xa4", "a:b", "*", "\\\\"});
}

std::string WordMaker::PlainPath() {
  const uint64_t what = dice_.Below(100);
  if (what < 45 && !files_.empty()) return dice_.Of(files_);
  if (what < 65 && !directories_.empty()) return dice_.Of(directories_);
  if (what < 88 && !directories_.empty()) return dice_.Of(directories_) + "/" + Name();
  if (what < 96) return Name();
  return dice_.Of({".", "..", "", "{root}", "{mount}", "{root}/..", "./.", "a/b/c/d/e"});
}

// Another way to write much the same.
std::string WordMaker::Adorned(std::string path) {
  if (path.empty()) return path;  // "/" would be the machine's
  if (dice_.Percent(20) && path[0] != '/' && path[0] != '{') path = "{root}/" + path;
  if (dice_.Percent(78)) return path;
  switch (dice_.Below(13)) {
    case 0: return path + "/";
    case 1: return path + "/.";
    case 2: return path + "/..";
    case 3: return path + "//";
    case 4: return "./" + path;
    case 5: return path.starts_with("{root}") ? "{mount}/../mount" + path.substr(6) : ".//" + path;
    case 6: return path.starts_with("{root}") ? "/" + path : "../" + path;
    case 7: return (directories_.empty() ? "sub" : dice_.Of(directories_)) + "/../" + path;
    case 8: return path[0] == '{' ? path : "{*2040:./}" + path;
    case 9: return path[0] == '{' ? path : "{*2048:./}" + path;
    case 10: return path + "/" + Name();
    case 11: return "/proc/self/cwd/" + path;
    default: return path + "{*" + std::to_string(4000 + dice_.Below(120)) + ":/}";
  }
}

std::string WordMaker::HostileString() {
  switch (dice_.Below(8)) {
    case 0: return "NULL";
    case 1: return "@bad";
    case 2: return "@wild";
    case 3: return "@kernel";
    case 4: return "@cut\"" + PlainPath() + "\"";
    case 5: return "\"{*5000:u}\"";
    case 6: return "@cut\"{*4096:u}\"";
    default: return "@edge\"" + PlainPath() + "\"";
  }
}

std::string WordMaker::Path() {
  if (dice_.Percent(3)) return HostileString();
  if (dice_.Percent(3) && !slots_.empty()) {
    const std::string slot = "{f" + std::to_string(dice_.Of(slots_)) + "}";
    return "\"" + dice_.Of({"/proc/self/fd/", "/dev/fd/", "/proc/thread-self/fd/"}) + slot +
           (dice_.Percent(30) ? "/" + Name() : "") + "\"";
  }
  return "\"" + Adorned(PlainPath()) + "\"";
}

std::string WordMaker::LinkText() {
  if (dice_.Percent(3)) return HostileString();
  if (dice_.Percent(8)) return "\"" + TextLeadingOut() + "\"";
  switch (dice_.Below(20)) {
    case 0: return "\"\"";
    case 1:
    case 2: return "\"{root}/" + Name() + "\"";
    case 3:
      return "\"" + (directories_.empty() ? "sub" : dice_.Of(directories_)) + "/../" + Name() +
             "\"";
    case 4: return "\"nowhere\"";
    case 5: return "\"{*" + std::to_string(4090 + dice_.Below(10)) + ":l}\"";
    default: break;
  }
  return "\"" + (dice_.Percent(60) ? PlainPath() : Adorned(PlainPath())) + "\"";
}

// Out of the mount, to its root, or past it and back in.
std::string WordMaker::TextLeadingOut() {
  return dice_.Of({"..", "../..", "../../..", "{mount}", "{mount}/..", "{root}/../..", "/",
                   "/etc/passwd", "/usr", "/dev/null", "/proc/self/cwd", "../../mount",
                   "{mount}/../mount"}) +
         (dice_.Percent(20) ? "/" + Name() : "");
}

std::string WordMaker::Descriptor(bool or_cwd) {
  if (or_cwd && dice_.Percent(65)) return "cwd";
  if (dice_.Percent(3)) return dice_.Of({"#-1", "#999", "#-99", "#0x7fffffff", "#0x100000003"});
  if (!slots_.empty()) {  // the latest ones are the likeliest to be open
    const size_t last = slots_.size() - 1;
    return "f" + std::to_string(dice_.Percent(60)
                                    ? slots_[last - dice_.Below(last < 2 ? last + 1 : 3)]
                                    : dice_.Of(slots_));
  }
  return "f" + std::to_string(dice_.Below(4));
}

std::string WordMaker::OpenFlags() {
  std::string flags = dice_.Of({"O_RDONLY", "O_RDONLY", "O_WRONLY", "O_RDWR", "O_RDWR"});
  if (dice_.Percent(45)) flags += "|O_CREAT";
  if (dice_.Percent(12)) flags += "|O_EXCL";
  if (dice_.Percent(15)) flags += "|O_TRUNC";
  if (dice_.Percent(12)) flags += "|O_APPEND";
  if (dice_.Percent(15)) flags += "|O_CLOEXEC";
  if (dice_.Percent(10)) flags += "|O_NOFOLLOW";
  if (dice_.Percent(12)) flags += "|O_DIRECTORY";
  if (dice_.Percent(5)) flags += "|O_TMPFILE";
  if (dice_.Percent(8)) flags += "|O_PATH";
  if (fifos_ || dice_.Percent(8)) flags += "|O_NONBLOCK";
  if (dice_.Percent(12)) {
    flags += "|" + dice_.Of({"O_SYNC", "O_DSYNC", "O_ASYNC", "O_NOATIME", "O_NOCTTY", "O_LARGEFILE",
                             "O_DIRECT", "O_ACCMODE", "0x40000000", "0x80000000", "0x4"});
  }
  return flags;
}

std::vector<std::string> WordMaker::OpenHow() {
  // An O_PATH descriptor cannot be had from a broker; see docs/fidelity.md.
  std::string flags = OpenFlags();
  if (const size_t at = flags.find("|O_PATH"); at != std::string::npos) flags.erase(at, 7);
  const bool creates =
      flags.find("O_CREAT") != std::string::npos || flags.find("O_TMPFILE") != std::string::npos;
  std::string mode = creates ? Mode() : "0";
  if (dice_.Percent(4)) mode = dice_.Of({"0644", "0100644", "-1", "010000"});
  std::string resolve = "0";
  if (dice_.Percent(40)) {
    resolve = dice_.Of({"RESOLVE_NO_XDEV", "RESOLVE_NO_MAGICLINKS", "RESOLVE_NO_SYMLINKS",
                        "RESOLVE_BENEATH", "RESOLVE_IN_ROOT", "RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS",
                        "RESOLVE_BENEATH|RESOLVE_IN_ROOT", "0x80"});
  }
  std::string size = "24";
  if (dice_.Percent(5))
    size = dice_.Of({"0", "8", "23", "32", "40", "4096", "5000", "NULL", "@bad"});
  return {flags, mode, resolve, size};
}

std::string WordMaker::AtFlags(const Op& op) {
  const std::string name = op.name;
  if (dice_.Percent(3)) return dice_.Of({"0x40000", "-1", "0x1", "AT_REMOVEDIR", "0x800"});
  if (name == "unlinkat") return dice_.Percent(40) ? "AT_REMOVEDIR" : "0";
  if (name == "linkat") {
    return dice_.Of(
        {"0", "0", "AT_SYMLINK_FOLLOW", "AT_EMPTY_PATH", "AT_EMPTY_PATH|AT_SYMLINK_FOLLOW"});
  }
  return dice_.Of(
      {"0", "0", "AT_SYMLINK_NOFOLLOW", "AT_EMPTY_PATH", "AT_EMPTY_PATH|AT_SYMLINK_NOFOLLOW"});
}

std::string WordMaker::Mode() {
  if (dice_.Percent(4)) return dice_.Of({"-1", "0100644", "0x10000", "0177777"});
  return dice_.Of({"0644", "0600", "0666", "0777", "0755", "0700", "0444", "0555", "0000", "0222",
                   "04755", "02755", "06777", "01777", "02770", "0070", "0007"});
}

std::string WordMaker::Id() {
  return dice_.Of({"-1", "-1", "-1", "0", "65534", "54321", "54322", "1000"});
}

std::string WordMaker::Time() {
  if (dice_.Percent(50)) return dice_.Of({"now", "omit"});
  return dice_.Of({"1000000500.7", "0.0", "-1.5", "900000000.999999999", "5000000000.1",
                   "100000000000.0", "7.1000000000", "7.-1", "1234567890.123456789"});
}

std::string WordMaker::Times() {
  if (dice_.Percent(30)) return "NULL";
  if (dice_.Percent(3)) return dice_.Of({"@bad", "@wild"});
  return Time() + "," + Time();
}

std::string WordMaker::XattrName() {
  if (dice_.Percent(3)) return HostileString();
  if (dice_.Percent(70)) return dice_.Of({"\"user.one\"", "\"user.two\"", "\"user.present\""});
  return dice_.Of({"\"system.posix_acl_access\"", "\"system.posix_acl_default\"", "\"trusted.t\"",
                   "\"security.foo\"", "\"security.capability\"", "\"user.\"", "\"plain\"", "\"\"",
                   "\"user.{*250:n}\"", "\"user.{*251:n}\"", "\"system.bogus\"", "\"USER.one\""});
}

// Version 2; entries of tag, permissions and id, each in little endian (acl(5), posix_acl_xattr.h).
std::string WordMaker::AclValue() {
  const std::string begin = "\\x02\\x00\\x00\\x00";
  const std::string none = "\\xff\\xff\\xff\\xff";
  const auto entry = [&](const char* tag, const std::string& permissions, const std::string& id) {
    return "\\x" + std::string(tag) + "\\x00\\x0" + permissions + "\\x00" + id;
  };
  const auto some = [&] { return std::to_string(dice_.Below(8)); };
  std::string value = begin + entry("01", "7", none);
  if (dice_.Percent(60)) {
    value += entry("02", some(), "\\xe8\\x03\\x00\\x00") + entry("04", some(), none) +
             entry("10", some(), none) + entry("20", some(), none);
  } else {
    value += entry("04", some(), none) + entry("20", some(), none);
  }
  return "\"" + value + "\"";
}

std::string WordMaker::Bytes(const Op& op) {
  if (dice_.Percent(3)) {
    return dice_.Of({"NULL:4", "@bad:4", "@wild:10", "NULL:0", "@kernel:8", "@bad:0"});
  }
  const std::string name = op.name;
  if (name.find("xattr") != std::string::npos) {
    if (dice_.Percent(12)) return AclValue();
    return dice_.Of({"\"v\"", "\"value\"", "\"\"", "\"{*300:w}\"", "\"{*3000:w}\"",
                     "\"{*65536:w}\"", "\"{*65537:w}\"", "\"a\\x00b\""});
  }
  return dice_.Of({"\"hello\"", "\"\"", "\"{*600:w}\"", "\"{*5000:w}\"", "\"x\\x00y\""});
}

std::string WordMaker::Buffer() {
  if (dice_.Percent(4)) return dice_.Of({"NULL:10", "@bad:10", "@ro:100", "@wild:10", "NULL:0"});
  return dice_.Of({"0", "1", "10", "64", "300", "4096", "5000"});
}

std::string WordMaker::Number(const Op& op) {
  const std::string name = op.name;
  if (name == "mknod" || name == "mknodat") return dice_.Of({"0", "0", "0", "0x103", "0x501"});
  if (name.find("setxattr") != std::string::npos) return dice_.Of({"0", "0", "1", "2", "3", "4"});
  if (name.find("access") != std::string::npos)
    return dice_.Of({"0", "1", "2", "4", "6", "7", "8"});
  if (name == "lseek" || name == "fallocate") {
    return dice_.Of({"0", "1", "2", "3", "4", "100", "-1", "5000"});
  }
  if (name == "statx") return dice_.Of({"0x7ff", "0x7ff", "0", "0x80000000"});
  if (name == "unshare") return dice_.Of({"CLONE_FS", "CLONE_FILES", "CLONE_FS|CLONE_FILES"});
  if (name == "dup2" || name == "dup3") return dice_.Of({"20", "21", "22", "30", "-1", "5000000"});
  return dice_.Of(
      {"0", "1", "3", "100", "5000", "-1", "0x10000", "0x10000000000", "0x7fffffffffffffff", "70"});
}

std::vector<std::string> WordMaker::For(char letter, const Op& op) {
  switch (letter) {
    case 'd': return {Descriptor(true)};
    case 'f': return {Descriptor(false)};
    case 'p': return {Path()};
    case 't': return {LinkText()};
    case 'N': return {XattrName()};
    case 'o': return {OpenFlags()};
    case 'a': return {AtFlags(op)};
    case 'r':
      return {dice_.Of({"0", "0", "RENAME_NOREPLACE", "RENAME_EXCHANGE", "RENAME_EXCHANGE",
                        "RENAME_NOREPLACE|RENAME_EXCHANGE", "0x10"})};
    case 'm': return {Mode()};
    case 'u': return {Id()};
    case 'v': return {Bytes(op)};
    case 'B': return {Buffer()};
    case 'S':
    case 'X': return {dice_.Percent(95) ? "buf" : dice_.Of({"NULL", "@bad", "@ro"})};
    case 'T':
    case 'V': return {Times()};
    case 'U': return {dice_.Percent(30) ? "NULL" : dice_.Of({"5,6", "0,-1", "@bad", "123456,7"})};
    case 'H': return OpenHow();
    case 'Z': return {Bytes(op), dice_.Of({"0", "0", "1", "2", "3", "4"})};
    case 'A':
      return {dice_.Of({"0", "0x80", "0x40", "0x8", "0x10", "0x200", "0x80000000", "@bad"})};
    default: return {Number(op)};
  }
}

}  // namespace differential
