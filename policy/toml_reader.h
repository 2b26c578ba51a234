// What policy_parser and deployment_parser share in reading a file: values, tables of keys and
// mounts out of toml++ nodes. Only these include toml++. Any thread.
#ifndef POLICY_TOML_READER_H_
#define POLICY_TOML_READER_H_

#include <toml++/toml.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/policy_keys.h"

namespace sessionctl {

// `text` as it may stand in a message: one line, printable.
std::string Printable(const std::string& text);

// "SOURCE:LINE:COLUMN: KEY: WHAT", kInvalidArgument.
absl::Status ErrorAt(const std::string& source, const toml::source_position& where,
                     const std::string& key, const std::string& what);

// What a value must be: the part of a PolicyKey that does not depend on what it is a key of.
struct KeyShape {
  KeyType type;
  const std::vector<std::string>& choices;
  int64_t minimum;
  int64_t maximum;
  const std::function<std::string(const std::string&)>& check;
};

template <typename T>
KeyShape ShapeOf(const PolicyKey<T>& key) {
  return {key.type, key.choices, key.minimum, key.maximum, key.check};
}

// Reads the values of one file; knows its name for messages.
class ValueReader {
 public:
  // `source` must outlive the reader.
  explicit ValueReader(const std::string& source) : source_(source) {}

  const std::string& source() const { return source_; }
  absl::Status Error(const toml::node& node, const std::string& key, const std::string& what) const;
  absl::Status Error(const toml::key& where, const std::string& key, const std::string& what) const;

  // The value of `node`, checked against `key`, whose full name is `name`.
  absl::StatusOr<KeyValue> Read(const toml::node& node, const KeyShape& key,
                                const std::string& name) const;

 private:
  absl::Status Expected(const toml::node& node, const std::string& name, const char* what) const;
  absl::StatusOr<KeyValue> ReadString(const toml::node& node, const KeyShape& key,
                                      const std::string& name) const;
  absl::StatusOr<KeyValue> ReadInteger(const toml::node& node, const KeyShape& key,
                                       const std::string& name) const;
  absl::StatusOr<KeyValue> ReadNumber(const toml::node& node, const KeyShape& key,
                                      const std::string& name) const;
  template <typename Element, typename ReadItem>
  absl::StatusOr<KeyValue> ReadList(const toml::node& node, const std::string& name,
                                    const char* what, const ReadItem& read_item) const;
  absl::StatusOr<KeyValue> ReadMap(const toml::node& node, const KeyShape& key,
                                   const std::string& name) const;

  const std::string& source_;
};

// Appends the [[mount]] tables of `node`; `name` is the full name of the key.
absl::Status ReadMounts(const ValueReader& reader, const std::string& name, const toml::node& node,
                        std::vector<Mount>* mounts);

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
  absl::StatusOr<KeyValue> value = reader.Read(node, ShapeOf(*key), name);
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

// The first required key that `table` lacks is an error.
template <typename T>
absl::Status CheckRequired(const ValueReader& reader, const std::string& prefix,
                           const toml::table& table, const std::vector<PolicyKey<T>>& keys) {
  for (const PolicyKey<T>& key : keys) {
    if (key.required && !table.contains(key.name)) {
      return reader.Error(table, absl::StrCat(prefix, key.name), "is missing");
    }
  }
  return absl::OkStatus();
}

}  // namespace sessionctl

#endif  // POLICY_TOML_READER_H_
