// The maker of integer keys, for the files that hold the tables of keys (policy_keys.h).
#ifndef POLICY_INTEGER_KEY_H_
#define POLICY_INTEGER_KEY_H_

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "policy/policy_keys.h"

namespace sessionctl {

// `field` gives the place in a `T` that holds the value, of any type of integer.
template <typename T, typename Field>
PolicyKey<T> IntegerKey(std::string section, std::string name, std::string description,
                        int64_t minimum, int64_t maximum, Field field) {
  using Integer = std::remove_reference_t<decltype(field(std::declval<T&>()))>;
  PolicyKey<T> key = {
      std::move(section),
      std::move(name),
      KeyType::kInteger,
      std::move(description),
      [field](T* target, const KeyValue& value) {
        field(*target) = static_cast<Integer>(std::get<int64_t>(value));
      },
      [field](const T& source) -> KeyValue { return int64_t{field(const_cast<T&>(source))}; }};
  key.minimum = minimum;
  key.maximum = maximum;
  return key;
}

}  // namespace sessionctl

#endif  // POLICY_INTEGER_KEY_H_
