// Values written as TOML that the parser reads back. Pure functions; any thread.
#ifndef POLICY_TOML_TEXT_H_
#define POLICY_TOML_TEXT_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policy/policy_keys.h"

namespace sessionctl {

// Bytes that are not UTF-8, which TOML cannot say, become U+FFFD.
std::string TomlText(const KeyValue& value);

// The entries of one table, without those that have their default value.
template <typename T>
std::string TomlEntries(const std::vector<PolicyKey<T>>& keys, const std::string& section,
                        const T& source) {
  std::string text;
  const T defaults;
  for (const PolicyKey<T>& key : keys) {
    if (key.section != section || key.name == "extends") continue;
    const KeyValue value = key.get(source);
    if (value == key.get(defaults) && key.name != "version" && !key.required) continue;
    absl::StrAppend(&text, key.name, " = ", TomlText(value), "\n");
  }
  return text;
}

}  // namespace sessionctl

#endif  // POLICY_TOML_TEXT_H_
