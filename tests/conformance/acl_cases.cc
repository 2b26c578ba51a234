// POSIX access control lists (acl(5)): who may do what, through every call that asks; masks,
// defaults, what chmod does to them; sizes of extended attributes and their lists.
#include <sys/xattr.h>

#include <cstring>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

struct Entry {
  uint16_t tag;
  uint16_t rights;
  uint32_t id = 0xffffffff;
};
constexpr uint16_t kOwner = 1, kUser = 2, kOwnGroup = 4, kGroup = 8, kMask = 16, kRest = 32;

std::string Acl(std::initializer_list<Entry> entries) {
  std::string text("\2\0\0\0", 4);
  for (const Entry& entry : entries) {
    text.append(reinterpret_cast<const char*>(&entry), sizeof(entry));
  }
  return text;
}

long Set(const std::string& path, const std::string& acl, bool standard = false) {
  return setxattr(path.c_str(), standard ? "system.posix_acl_default" : "system.posix_acl_access",
                  acl.data(), acl.size(), 0);
}

std::string Rights(const std::string& path) {
  return Open(path, O_RDONLY) + " " + Open(path, O_WRONLY) + " " + Open(path, O_RDWR);
}

std::string Attribute(const std::string& path, const char* name) {
  char value[512];
  const ssize_t size = getxattr(path.c_str(), name, value, sizeof(value));
  return size < 0 ? Answer(-1) : std::string(value, static_cast<size_t>(size));
}

}  // namespace

CASE_WITH(Acl, NamedEntriesAndTheMaskDecide) {
  const uid_t us[] = {0, 1000};
  struct {
    const char* name;
    uint16_t user, group, mask;
  } const files[] = {{"user-rw", 6, 0, 7},  {"user-r", 4, 0, 7},       {"user-masked", 6, 0, 4},
                     {"group-rw", 0, 6, 7}, {"group-masked", 0, 6, 4}, {"neither", 0, 0, 7}};
  for (const auto& file : files) {
    Touch(file.name, 0600);
    Give(file.name, kOther, kOther);
    if (file.user != 0) {
      IS(0, Set(file.name, Acl({{kOwner, 6},
                                {kUser, file.user, us[0]},
                                {kUser, file.user, us[1]},
                                {kOwnGroup, 0},
                                {kMask, file.mask},
                                {kRest, 0}})));
    } else {
      IS(0, Set(file.name, Acl({{kOwner, 6},
                                {kOwnGroup, 0},
                                {kGroup, file.group, kSecondGroup},
                                {kMask, file.mask},
                                {kRest, 6}})));
    }
  }
  Dir("d");
  Touch("d/f");
  Give("d", kOther, kOther);
  IS(0, Set("d", Acl({{kOwner, 7},
                      {kUser, 7, us[0]},
                      {kUser, 7, us[1]},
                      {kOwnGroup, 0},
                      {kMask, 7},
                      {kRest, 0}})));
}
THEN(Acl, NamedEntriesAndTheMaskDecide) {
  IS("ok ok ok", Rights("user-rw"));
  IS("ok EACCES EACCES", Rights("user-r"));
  IS("ok EACCES EACCES", Rights("user-masked"));
  IS("ok ok ok", Rights("group-rw"));
  IS("ok EACCES EACCES", Rights("group-masked"));
  IS("EACCES EACCES EACCES", Rights("neither"));
  IS(0, truncate("user-rw", 0));
  IS("EACCES", truncate("user-masked", 0));
  IS(0, utimensat(AT_FDCWD, "user-rw", nullptr, 0));
  IS("EACCES", utimensat(AT_FDCWD, "user-r", nullptr, 0));
  IS("EPERM", chmod("user-rw", 0600));
  IS(0, setxattr("user-rw", "user.a", "1", 1, 0));
  IS("EACCES", setxattr("user-masked", "user.a", "1", 1, 0));
  IS("ok", Open("d/new", O_RDWR | O_CREAT, 0600));
  IS(0, mkdir("d/made", 0755));
  IS(0, rename("d/f", "d/g"));
  IS(0, unlink("d/g"));
  IS(0, access("user-rw", R_OK | W_OK));
  IS("EACCES", access("user-masked", W_OK));
}

CASE(Acl, ChmodSetsTheMaskAndListsAreMadeSmall) {
  Touch("f", 0640);
  const std::string minimal = Acl({{kOwner, 6}, {kOwnGroup, 4}, {kRest, 0}});
  IS(0, Set("f", minimal));
  IS("ENODATA", Attribute("f", "system.posix_acl_access"));  // it is the mode
  IS(0, Set("f", Acl({{kOwner, 6}, {kUser, 6, kOther}, {kOwnGroup, 4}, {kMask, 6}, {kRest, 0}})));
  IS("file 0660", What("f"));
  IS(0, chmod("f", 0604));
  IS(Acl({{kOwner, 6}, {kUser, 6, kOther}, {kOwnGroup, 4}, {kMask, 0}, {kRest, 4}}),
     Attribute("f", "system.posix_acl_access"));
  IS(0, fchmod(Fd("f", O_RDONLY), 0676));
  IS("file 0676", What("f"));
  IS(0, removexattr("f", "system.posix_acl_access"));
  IS("file 0676", What("f"));  // the mode stays what the mask made of it
  IS(0, removexattr("f", "system.posix_acl_access"));
}

CASE(Acl, BadListsAreEinval) {
  Touch("f");
  Dir("d");
  const std::string good = Acl({{kOwner, 6}, {kOwnGroup, 4}, {kRest, 4}});
  IS("EINVAL", Set("f", Acl({{kOwner, 6}, {kRest, 0}})));
  IS("EINVAL", Set("f", Acl({{kOwner, 6}, {kUser, 6, 5}, {kOwnGroup, 4}, {kRest, 0}})));  // no mask
  IS("EINVAL", Set("f", Acl({{kOwnGroup, 6}, {kOwner, 4}, {kRest, 4}})));
  IS("EINVAL", Set("f", Acl({{kOwner, 8}, {kOwnGroup, 4}, {kRest, 4}})));
  IS("EINVAL", Set("f", good.substr(0, good.size() - 1)));
  std::string version = good;
  version[0] = 3;
  IS("EOPNOTSUPP", Set("f", version));
  IS("EACCES", Set("f", good, true));
  IS(0, Set("d", good, true));
  IS(0, setxattr("d", "system.posix_acl_default", "", 0, 0));
  IS("ENODATA", Attribute("d", "system.posix_acl_default"));
  Symlink("f", "l");
  IS("EOPNOTSUPP", lsetxattr("l", "system.posix_acl_access", good.data(), good.size(), 0));
}

CASE(Acl, DefaultsPassToWhatIsMade) {
  Dir("d");
  const std::string acl =
      Acl({{kOwner, 7}, {kUser, 7, kOther}, {kOwnGroup, 5}, {kMask, 7}, {kRest, 1}});
  IS(0, Set("d", acl, true));
  for (const mode_t mask : {0, 022, 077}) {  // the umask is not looked at
    umask(mask);
    const std::string at = "d/" + std::to_string(mask);
    IS("ok", Open(at + "f", O_RDWR | O_CREAT, 0666));
    IS("file 0660", What(at + "f"));
    IS(0, mkdir((at + "d").c_str(), 0777));
    IS("dir 0771", What(at + "d"));
    IS(acl, Attribute(at + "d", "system.posix_acl_default"));
    IS(0, mknod((at + "n").c_str(), S_IFREG | 0640, 0));
    IS("file 0640", What(at + "n"));
    IS(0, mknod((at + "s").c_str(), S_IFSOCK | 0777, 0));
    IS("socket 0771", What(at + "s"));
    IS(0, symlink("x", (at + "l").c_str()));
  }
  IS(Acl({{kOwner, 6}, {kUser, 7, kOther}, {kOwnGroup, 5}, {kMask, 4}, {kRest, 0}}),
     Attribute("d/0n", "system.posix_acl_access"));
}

CASE(Acl, SettingOneDropsSetGidOutsideTheGroup) {
  Touch("f", 02755);
  IS(0, chown("f", -1, kSecondGroup));
  IS(0, chmod("f", 02755));
  IS(0, Set("f", Acl({{kOwner, 7}, {kOwnGroup, 5}, {kRest, 5}})));
  IS("file 2755", What("f"));  // the caller is in the group
}

CASE_WITH(Acl, SetGidOfAForeignGroupIsDropped) {
  Touch("f");
  Give("f", 1000, kOther);
  IS(0, chmod("f", 02755));
}
THEN(Acl, SetGidOfAForeignGroupIsDropped) {
  if (IsRoot()) return;
  IS(0, Set("f", Acl({{kOwner, 7}, {kOwnGroup, 5}, {kRest, 5}})));
  IS("file 0755", What("f"));
}

CASE(Xattr, SizesOfNamesValuesAndLists) {
  Touch("f");
  const std::string longest = "user." + Times(250, "n");  // 255 bytes
  const std::string large = Times(65536, "v");
  IS(0, setxattr("f", longest.c_str(), "1", 1, 0));
  IS("ERANGE", setxattr("f", (longest + "n").c_str(), "1", 1, 0));
  IS("1", Attribute("f", longest.c_str()));
  char list[600];
  IS(256, listxattr("f", nullptr, 0));
  IS("ERANGE", listxattr("f", list, 255));
  IS(256, listxattr("f", list, 256));
  IS(longest, std::string(list));
  SAME(setxattr("f", "user.large", large.data(), large.size(), 0));
  IS("E2BIG", setxattr("f", "user.large", large.data(), large.size() + 1, 0));
  IS(0, removexattr("f", longest.c_str()));
  for (int i = 0; i < 50; ++i) {
    IS(0, setxattr("f", ("user." + std::to_string(i)).c_str(), &i, sizeof(i), XATTR_CREATE));
  }
  SAME(listxattr("f", nullptr, 0));
  // Until there is no more room: the same number of them as bare.
  int kept = 0;
  const std::string value = Times(30000, "v");
  while (kept < 200 && setxattr("f", ("user.k" + std::to_string(kept)).c_str(), value.data(),
                                value.size(), 0) == 0) {
    ++kept;
  }
  SAME(kept);
}

}  // namespace conformance
