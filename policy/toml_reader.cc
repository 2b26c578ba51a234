#include "policy/toml_reader.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"

namespace sessionctl {

// `text` as it may stand in a message: one line, printable.
std::string Printable(const std::string& text) {
  return text.empty() ? "\"\"" : absl::Utf8SafeCEscape(text);
}

absl::Status ErrorAt(const std::string& source, const toml::source_position& where,
                     const std::string& key, const std::string& what) {
  return absl::InvalidArgumentError(
      absl::StrCat(source, ":", where.line, ":", where.column, ": ", key, ": ", what));
}

namespace {

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

}  // namespace

template <typename Element, typename ReadItem>
absl::StatusOr<KeyValue> ValueReader::ReadList(const toml::node& node, const std::string& name,
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

absl::Status ValueReader::Error(const toml::node& node, const std::string& key,
                                const std::string& what) const {
  return ErrorAt(source_, node.source().begin, key, what);
}
absl::Status ValueReader::Error(const toml::key& where, const std::string& key,
                                const std::string& what) const {
  return ErrorAt(source_, where.source().begin, key, what);
}

// The value of `node`, checked against `key`, whose full name is `name`.
absl::StatusOr<KeyValue> ValueReader::Read(const toml::node& node, const KeyShape& key,
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

absl::Status ValueReader::Expected(const toml::node& node, const std::string& name,
                                   const char* what) const {
  return Error(node, name, absl::StrCat("expected ", what, ", found ", TypeName(node)));
}

absl::StatusOr<KeyValue> ValueReader::ReadString(const toml::node& node, const KeyShape& key,
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

absl::StatusOr<KeyValue> ValueReader::ReadInteger(const toml::node& node, const KeyShape& key,
                                                  const std::string& name) const {
  if (!node.is_integer()) return Expected(node, name, "an integer");
  const int64_t value = node.as_integer()->get();
  if (value < key.minimum || value > key.maximum) {
    return Error(node, name,
                 absl::StrCat(value, " is not between ", key.minimum, " and ", key.maximum));
  }
  return KeyValue(value);
}

absl::StatusOr<KeyValue> ValueReader::ReadNumber(const toml::node& node, const KeyShape& key,
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

absl::StatusOr<KeyValue> ValueReader::ReadMap(const toml::node& node, const KeyShape& key,
                                              const std::string& name) const {
  if (!node.is_table()) return Expected(node, name, "a table of strings");
  StringMap values;
  for (const auto& [entry, item] : *node.as_table()) {
    const std::string entry_name(entry.str());
    const std::string full_name = absl::StrCat(name, ".", Printable(entry_name));
    std::string wrong = entry_name.find('\0') != std::string::npos ? "a NUL byte in its name" : "";
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

namespace {

absl::StatusOr<Mount> ReadMount(const ValueReader& reader, const std::string& name,
                                const toml::node& node) {
  if (!node.is_table()) {
    return reader.Error(node, name, absl::StrCat("expected a table, written [[", name, "]]"));
  }
  Mount mount;
  const toml::table& table = *node.as_table();
  const std::string prefix = name + ".";
  absl::Status status = ApplyEntries(reader, prefix, table, MountKeys(), &mount);
  if (status.ok()) status = CheckRequired(reader, prefix, table, MountKeys());
  if (!status.ok()) return status;
  mount.where = {reader.source(), static_cast<int>(node.source().begin.line),
                 static_cast<int>(node.source().begin.column)};
  return mount;
}

}  // namespace

absl::Status ReadMounts(const ValueReader& reader, const std::string& name, const toml::node& node,
                        std::vector<Mount>* mounts) {
  if (!node.is_array()) {
    return reader.Error(node, name,
                        absl::StrCat("expected a list of tables, written [[", name, "]]"));
  }
  for (const toml::node& item : *node.as_array()) {
    absl::StatusOr<Mount> mount = ReadMount(reader, name, item);
    if (!mount.ok()) return mount.status();
    mounts->push_back(*std::move(mount));
  }
  return absl::OkStatus();
}

}  // namespace sessionctl
