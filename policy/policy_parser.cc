#include "policy/policy_parser.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/policy_keys.h"
#include "policy/profile_texts.h"
#include "sandbox/base/owned_fd.h"

namespace sessionctl {
namespace {

constexpr size_t kMaxPolicyBytes = 1 << 20;
constexpr size_t kMaxExtendsDepth = 16;

// `text` as it may stand in a message: one line, printable.
std::string Printable(const std::string& text) {
  return text.empty() ? "\"\"" : absl::Utf8SafeCEscape(text);
}

absl::Status ErrorAt(const std::string& source, const toml::source_position& where,
                     const std::string& key, const std::string& what) {
  return absl::InvalidArgumentError(
      absl::StrCat(source, ":", where.line, ":", where.column, ": ", key, ": ", what));
}

std::string TypeName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "a list";
    case toml::node_type::string: return "a string";
    case toml::node_type::integer: return "an integer";
    case toml::node_type::floating_point: return "a float";
    case toml::node_type::boolean: return "a boolean";
    default: return "a date or time";
  }
}

// Reads the values of one file; knows its name for messages.
class ValueReader {
 public:
  explicit ValueReader(const std::string& source) : source_(source) {}

  absl::Status Error(const toml::node& node, const std::string& key,
                     const std::string& what) const {
    return ErrorAt(source_, node.source().begin, key, what);
  }
  absl::Status Error(const toml::key& where, const std::string& key,
                     const std::string& what) const {
    return ErrorAt(source_, where.source().begin, key, what);
  }

  // The value of `node`, checked against `key`, whose full name is `name`.
  template <typename T>
  absl::StatusOr<KeyValue> Read(const toml::node& node, const PolicyKey<T>& key,
                                const std::string& name) const {
    switch (key.type) {
      case KeyType::kString: return ReadString(node, key, name);
      case KeyType::kStringList:
        return ReadList<std::string>(node, name, "a list of strings", [&](const toml::node& item) {
          return ReadString(item, key, name);
        });
      case KeyType::kStringMap: return ReadMap(node, key, name);
      case KeyType::kBool:
        if (!node.is_boolean()) return Expected(node, name, "a boolean");
        return KeyValue(node.as_boolean()->get());
      case KeyType::kInteger: return ReadInteger(node, key, name);
      case KeyType::kIntegerList:
        return ReadList<int64_t>(node, name, "a list of integers", [&](const toml::node& item) {
          return ReadInteger(item, key, name);
        });
      case KeyType::kNumber: return ReadNumber(node, key, name);
    }
    return Expected(node, name, "something else");
  }

 private:
  absl::Status Expected(const toml::node& node, const std::string& name, const char* what) const {
    return Error(node, name, absl::StrCat("expected ", what, ", found ", TypeName(node)));
  }

  template <typename T>
  absl::StatusOr<KeyValue> ReadString(const toml::node& node, const PolicyKey<T>& key,
                                      const std::string& name) const {
    if (!node.is_string()) return Expected(node, name, "a string");
    const std::string& value = node.as_string()->get();
    if (value.find('\0') != std::string::npos) return Error(node, name, "a NUL byte in a string");
    // A check says more than that the value is in no list.
    const std::string wrong = key.check && key.type != KeyType::kStringMap ? key.check(value) : "";
    if (!wrong.empty()) {
      return Error(node, name, absl::StrCat("\"", absl::Utf8SafeCEscape(value), "\": ", wrong));
    }
    if (!key.choices.empty() &&
        std::find(key.choices.begin(), key.choices.end(), value) == key.choices.end()) {
      return Error(node, name,
                   absl::StrCat("\"", Printable(value), "\" is not one of ",
                                absl::StrJoin(key.choices, ", ")));
    }
    return KeyValue(value);
  }

  template <typename T>
  absl::StatusOr<KeyValue> ReadInteger(const toml::node& node, const PolicyKey<T>& key,
                                       const std::string& name) const {
    if (!node.is_integer()) return Expected(node, name, "an integer");
    const int64_t value = node.as_integer()->get();
    if (value < key.minimum || value > key.maximum) {
      return Error(node, name,
                   absl::StrCat(value, " is not between ", key.minimum, " and ", key.maximum));
    }
    return KeyValue(value);
  }

  template <typename T>
  absl::StatusOr<KeyValue> ReadNumber(const toml::node& node, const PolicyKey<T>& key,
                                      const std::string& name) const {
    if (!node.is_number()) return Expected(node, name, "a number");
    const double value = node.is_integer() ? static_cast<double>(node.as_integer()->get())
                                           : node.as_floating_point()->get();
    if (value > static_cast<double>(key.minimum) && value <= static_cast<double>(key.maximum)) {
      return KeyValue(value);
    }
    return Error(node, name,
                 absl::StrCat(value, " is not above ", key.minimum, " and at most ", key.maximum));
  }

  template <typename Element, typename ReadItem>
  absl::StatusOr<KeyValue> ReadList(const toml::node& node, const std::string& name,
                                    const char* what, const ReadItem& read_item) const {
    if (!node.is_array()) return Expected(node, name, what);
    std::vector<Element> values;
    for (const toml::node& item : *node.as_array()) {
      absl::StatusOr<KeyValue> value = read_item(item);
      if (!value.ok()) return value.status();
      values.push_back(std::get<Element>(*std::move(value)));
    }
    return KeyValue(std::move(values));
  }

  template <typename T>
  absl::StatusOr<KeyValue> ReadMap(const toml::node& node, const PolicyKey<T>& key,
                                   const std::string& name) const {
    if (!node.is_table()) return Expected(node, name, "a table of strings");
    StringMap values;
    for (const auto& [entry, item] : *node.as_table()) {
      const std::string entry_name(entry.str());
      const std::string full_name = absl::StrCat(name, ".", Printable(entry_name));
      std::string wrong =
          entry_name.find('\0') != std::string::npos ? "a NUL byte in its name" : "";
      if (wrong.empty() && key.check) wrong = key.check(entry_name);
      if (!wrong.empty()) return Error(entry, full_name, wrong);
      absl::StatusOr<KeyValue> value = ReadString(item, key, full_name);
      if (!value.ok()) return value.status();
      values[entry_name] = std::get<std::string>(*std::move(value));
    }
    KeyValue result;
    result.emplace<StringMap>(std::move(values));
    return result;
  }

  const std::string& source_;
};

// The content of a regular file of at most kMaxPolicyBytes.
absl::StatusOr<std::string> ReadPolicyFile(const std::string& path) {
  // O_NONBLOCK: a FIFO must not hold us up before it is seen to be one.
  const OwnedFd file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.valid()) {
    const std::string what = absl::StrCat(path, ":1:1: file: ", strerrordesc_np(errno));
    if (errno == ENOENT || errno == ENOTDIR) return absl::NotFoundError(what);
    return absl::InvalidArgumentError(what);
  }
  struct stat status;
  if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ":1:1: file: not a regular file"));
  }
  std::string text;
  char buffer[65536];
  while (text.size() <= kMaxPolicyBytes) {
    const ssize_t size = read(file.get(), buffer, sizeof buffer);
    if (size == 0) return text;
    if (size < 0 && errno != EINTR) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":1:1: file: ", strerrordesc_np(errno)));
    }
    if (size > 0) text.append(buffer, static_cast<size_t>(size));
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ":1:1: file: larger than 1 MiB"));
}

// A policy's text and what to call it in messages.
struct NamedText {
  std::string text;
  std::string source;
};

absl::StatusOr<NamedText> FindProfile(const std::string& name) {
  for (const ProfileText& profile : ProfileTexts()) {
    if (profile.name == name) {
      return NamedText{std::string(profile.text), absl::StrCat("profile ", name)};
    }
  }
  return absl::NotFoundError(absl::StrCat("no profile \"", Printable(name), "\"; there are ",
                                          absl::StrJoin(ProfileNames(), ", ")));
}

// What `name` means in the `extends` of `source`.
absl::StatusOr<NamedText> FindExtended(const std::string& name, const std::string& source) {
  if (name.find('/') == std::string::npos && !name.ends_with(".toml")) return FindProfile(name);
  const size_t slash = source.rfind('/');
  const bool relative = name[0] != '/' && slash != std::string::npos;
  const std::string path = relative ? source.substr(0, slash + 1) + name : name;
  absl::StatusOr<std::string> text = ReadPolicyFile(path);
  if (!text.ok()) return text.status();
  return NamedText{*std::move(text), path};
}

// Applies a file and what it extends, one after the other, onto one policy.
class PolicyBuilder {
 public:
  absl::Status ApplyText(const std::string& text, const std::string& source);

  SessionPolicy policy;

 private:
  absl::Status ApplyTable(const toml::table& table, const std::string& source);
  absl::Status ApplyExtends(const toml::node& node, const std::string& source);
  absl::Status ApplyExtended(const toml::node& node, const std::string& name,
                             const std::string& source);
  absl::Status ApplySection(const ValueReader& reader, const std::string& section,
                            const toml::node& node);
  absl::Status ApplyMounts(const ValueReader& reader, const toml::node& node,
                           const std::string& source);
  absl::Status ApplyMount(const ValueReader& reader, const toml::node& node,
                          const std::string& source);

  std::vector<std::string> being_applied_;  // from the first file down to this one
  std::set<std::string> applied_;
};

// Only what belongs to `section`.
std::vector<PolicyKey<SessionPolicy>> KeysOf(const std::string& section) {
  std::vector<PolicyKey<SessionPolicy>> keys;
  for (const PolicyKey<SessionPolicy>& key : PolicyKeys()) {
    if (key.section == section) keys.push_back(key);
  }
  return keys;
}

template <typename T>
const PolicyKey<T>* FindKey(const std::vector<PolicyKey<T>>& keys, std::string_view name) {
  for (const PolicyKey<T>& key : keys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

template <typename T>
std::string Names(const std::vector<PolicyKey<T>>& keys) {
  return absl::StrJoin(keys, ", ", [](std::string* out, const PolicyKey<T>& key) {
    absl::StrAppend(out, key.name);
  });
}

// Applies one entry of a table whose keys are `keys`; `prefix` stands in front of its name in
// messages, `others` are what else could have been written there.
template <typename T>
absl::Status ApplyEntry(const ValueReader& reader, const std::string& prefix,
                        const toml::key& entry, const toml::node& node,
                        const std::vector<PolicyKey<T>>& keys, const std::string& others,
                        T* target) {
  const std::string name = prefix + Printable(std::string(entry.str()));
  const PolicyKey<T>* key = FindKey(keys, entry.str());
  if (key == nullptr) {
    return reader.Error(entry, name, absl::StrCat("unknown key; there are ", Names(keys), others));
  }
  absl::StatusOr<KeyValue> value = reader.Read(node, *key, name);
  if (!value.ok()) return value.status();
  key->set(target, *value);
  return absl::OkStatus();
}

template <typename T>
absl::Status ApplyEntries(const ValueReader& reader, const std::string& prefix,
                          const toml::table& table, const std::vector<PolicyKey<T>>& keys,
                          T* target) {
  for (const auto& [entry, node] : table) {
    absl::Status status = ApplyEntry(reader, prefix, entry, node, keys, "", target);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PolicyBuilder::ApplyMount(const ValueReader& reader, const toml::node& node,
                                       const std::string& source) {
  if (!node.is_table()) {
    return reader.Error(node, "mount", "expected a table, written [[mount]]");
  }
  Mount mount;
  const toml::table& table = *node.as_table();
  if (absl::Status status = ApplyEntries(reader, "mount.", table, MountKeys(), &mount);
      !status.ok()) {
    return status;
  }
  for (const PolicyKey<Mount>& key : MountKeys()) {
    if (key.required && !table.contains(key.name)) {
      return reader.Error(node, absl::StrCat("mount.", key.name), "is missing");
    }
  }
  mount.where = {source, static_cast<int>(node.source().begin.line),
                 static_cast<int>(node.source().begin.column)};
  policy.mounts.push_back(std::move(mount));
  return absl::OkStatus();
}

absl::Status PolicyBuilder::ApplyMounts(const ValueReader& reader, const toml::node& node,
                                        const std::string& source) {
  if (!node.is_array()) {
    return reader.Error(node, "mount", "expected a list of tables, written [[mount]]");
  }
  for (const toml::node& item : *node.as_array()) {
    if (absl::Status status = ApplyMount(reader, item, source); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PolicyBuilder::ApplySection(const ValueReader& reader, const std::string& section,
                                         const toml::node& node) {
  if (!node.is_table()) {
    return reader.Error(node, section, absl::StrCat("expected a table, written [", section, "]"));
  }
  return ApplyEntries(reader, section + ".", *node.as_table(), KeysOf(section), &policy);
}

absl::Status PolicyBuilder::ApplyExtended(const toml::node& node, const std::string& name,
                                          const std::string& source) {
  absl::StatusOr<NamedText> found = FindExtended(name, source);
  if (!found.ok()) {
    return absl::Status(found.status().code(), ErrorAt(source, node.source().begin, "extends",
                                                       std::string(found.status().message()))
                                                   .message());
  }
  const auto error = [&](const std::string& what) {
    return ErrorAt(source, node.source().begin, "extends", what);
  };
  if (std::find(being_applied_.begin(), being_applied_.end(), found->source) !=
      being_applied_.end()) {
    return error(
        absl::StrCat("a cycle: ", absl::StrJoin(being_applied_, " -> "), " -> ", found->source));
  }
  if (being_applied_.size() > kMaxExtendsDepth) {
    return error(absl::StrCat("more than ", kMaxExtendsDepth, " levels deep"));
  }
  return ApplyText(found->text, found->source);
}

absl::Status PolicyBuilder::ApplyExtends(const toml::node& node, const std::string& source) {
  const ValueReader reader(source);
  const PolicyKey<SessionPolicy>* key = FindKey(PolicyKeys(), "extends");
  absl::StatusOr<KeyValue> names = reader.Read(node, *key, "extends");
  if (!names.ok()) return names.status();
  const toml::array& array = *node.as_array();
  for (size_t i = 0; i < array.size(); ++i) {
    const std::string& name = std::get<std::vector<std::string>>(*names)[i];
    if (absl::Status status = ApplyExtended(array[i], name, source); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PolicyBuilder::ApplyTable(const toml::table& table, const std::string& source) {
  const ValueReader reader(source);
  if (const toml::node* extends = table.get("extends"); extends != nullptr) {
    if (absl::Status status = ApplyExtends(*extends, source); !status.ok()) return status;
  }
  policy.extends.clear();
  const std::vector<std::string>& sections = PolicySections();
  const std::string others = absl::StrCat(", mount", absl::StrJoin(sections, ", "));
  for (const auto& [entry, node] : table) {
    const std::string name(entry.str());
    const bool is_section =
        !name.empty() && std::find(sections.begin(), sections.end(), name) != sections.end();
    absl::Status status;
    if (name == "mount") {
      status = ApplyMounts(reader, node, source);
    } else if (is_section) {
      status = ApplySection(reader, name, node);
    } else {
      status = ApplyEntry(reader, "", entry, node, KeysOf(""), others, &policy);
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PolicyBuilder::ApplyText(const std::string& text, const std::string& source) {
  if (text.size() > kMaxPolicyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, ":1:1: file: larger than 1 MiB (", text.size(), " bytes)"));
  }
  if (!applied_.insert(source).second) return absl::OkStatus();
  being_applied_.push_back(source);
  absl::Status status;
  try {
    status = ApplyTable(toml::parse(text, source), source);
  } catch (const toml::parse_error& error) {
    status = ErrorAt(source, error.source().begin, "syntax",
                     absl::Utf8SafeCEscape(std::string(error.description())));
  }
  being_applied_.pop_back();
  return status;
}

}  // namespace

absl::StatusOr<SessionPolicy> ParsePolicy(const std::string& text, const std::string& source) {
  PolicyBuilder builder;
  if (absl::Status status = builder.ApplyText(text, source); !status.ok()) return status;
  return std::move(builder.policy);
}

absl::StatusOr<SessionPolicy> LoadPolicyFile(const std::string& path) {
  absl::StatusOr<std::string> text = ReadPolicyFile(path);
  if (!text.ok()) return text.status();
  return ParsePolicy(*text, path);
}

absl::StatusOr<SessionPolicy> LoadProfile(const std::string& name) {
  absl::StatusOr<NamedText> profile = FindProfile(name);
  if (!profile.ok()) return profile.status();
  return ParsePolicy(profile->text, profile->source);
}

std::vector<std::string> ProfileNames() {
  std::vector<std::string> names;
  for (const ProfileText& profile : ProfileTexts()) names.emplace_back(profile.name);
  return names;
}

}  // namespace sessionctl
