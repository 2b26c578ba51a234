// Every key of the policy file, once: what the parser accepts, what the schema says and what a
// resolved policy is written with all come from these tables. Constant after first use; any thread.
#ifndef POLICY_POLICY_KEYS_H_
#define POLICY_POLICY_KEYS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "policy/policy.h"

namespace sessionctl {

enum class KeyType { kString, kStringList, kStringMap, kBool, kInteger, kIntegerList, kNumber };

using StringMap = std::map<std::string, std::string>;
// One alternative a KeyType, in its order.
using KeyValue = std::variant<std::string, std::vector<std::string>, StringMap, bool, int64_t,
                              std::vector<int64_t>, double>;

// One key of `T` (SessionPolicy, or Mount for the keys of [[mount]]).
template <typename T>
struct PolicyKey {
  std::string section;  // "filesystem"; "" at the top level or in a mount
  std::string name;
  KeyType type;
  std::string description;
  std::function<void(T*, const KeyValue&)> set;  // a list or a map grows, anything else is replaced
  std::function<KeyValue(const T&)> get;
  std::vector<std::string> choices = {};  // of a string or a list's elements; empty: any
  int64_t minimum = 0;  // of an integer or a list's elements; what a number is above
  int64_t maximum = 0;
  bool required = false;
  // What is wrong with a string, an element, or a map's key; "" when nothing is.
  std::function<std::string(const std::string&)> check = {};
  std::string pattern =
      {};  // of a string, for the schema: what `check` says as a regular expression
};

const std::vector<PolicyKey<SessionPolicy>>& PolicyKeys();
const std::vector<PolicyKey<Mount>>& MountKeys();

// The part of PolicyKeys() that is [limits].
std::vector<PolicyKey<SessionPolicy>> LimitKeys();
// The part of MountKeys() that are limits.
std::vector<PolicyKey<Mount>> MountLimitKeys();
// What is wrong with a text, a variable's name, or an amount of [limits] or of a flag; "" when
// nothing is.
std::string CheckNotEmpty(const std::string& value);
std::string CheckEnvironmentName(const std::string& value);
std::string CheckSize(const std::string& text);
std::string CheckDuration(const std::string& text);

// The sections in the order of the documentation, "" first; [[mount]] is not among them.
const std::vector<std::string>& PolicySections();

// Appends what `list` does not have yet.
template <typename V>
void AppendMissing(const std::vector<V>& more, std::vector<V>* list) {
  std::set<V> present(list->begin(), list->end());
  for (const V& value : more) {
    if (present.insert(value).second) list->push_back(value);
  }
}

}  // namespace sessionctl

#endif  // POLICY_POLICY_KEYS_H_
