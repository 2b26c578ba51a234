// Makers of keys, for the files that hold the tables of keys (policy_keys.h).
#ifndef POLICY_KEY_MAKERS_H_
#define POLICY_KEY_MAKERS_H_

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/policy_keys.h"
#include "policy/quantity.h"

namespace sessionctl {

// The factories below take `field`, a function from T& to a reference to the member.
template <typename T, typename Field>
PolicyKey<T> StringKey(std::string section, std::string name, std::string description,
                       Field field) {
  return {
      std::move(section),
      std::move(name),
      KeyType::kString,
      std::move(description),
      [field](T* target, const KeyValue& value) { field(*target) = std::get<std::string>(value); },
      [field](const T& source) -> KeyValue { return field(const_cast<T&>(source)); }};
}

template <typename T, typename Field>
PolicyKey<T> StringListKey(std::string section, std::string name, std::string description,
                           Field field) {
  return {std::move(section),
          std::move(name),
          KeyType::kStringList,
          std::move(description),
          [field](T* target, const KeyValue& value) {
            AppendMissing(std::get<std::vector<std::string>>(value), &field(*target));
          },
          [field](const T& source) -> KeyValue { return field(const_cast<T&>(source)); }};
}

template <typename T, typename Field>
PolicyKey<T> BoolKey(std::string section, std::string name, std::string description, Field field) {
  return {std::move(section),
          std::move(name),
          KeyType::kBool,
          std::move(description),
          [field](T* target, const KeyValue& value) { field(*target) = std::get<bool>(value); },
          [field](const T& source) -> KeyValue { return field(const_cast<T&>(source)); }};
}

// `names` in the order of the enumerators.
template <typename T, typename Field>
PolicyKey<T> EnumKey(std::string section, std::string name, std::string description,
                     const std::vector<std::string>& names, Field field) {
  using Enum = std::remove_reference_t<decltype(field(std::declval<T&>()))>;
  PolicyKey<T> key = {std::move(section),
                      std::move(name),
                      KeyType::kString,
                      std::move(description),
                      [field, names](T* target, const KeyValue& value) {
                        for (size_t i = 0; i < names.size(); ++i) {
                          if (names[i] == std::get<std::string>(value)) {
                            field(*target) = static_cast<Enum>(i);
                          }
                        }
                      },
                      [field, names](const T& source) -> KeyValue {
                        return names[static_cast<size_t>(field(const_cast<T&>(source)))];
                      }};
  key.choices = names;
  return key;
}

template <typename T>
PolicyKey<T> Checked(PolicyKey<T> key, std::string (*check)(const std::string&)) {
  key.check = check;
  return key;
}

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

// An amount that is written as a text; "" stands for no limit.
template <typename T, typename Field>
PolicyKey<T> AmountKey(std::string section, std::string name, std::string description,
                       absl::StatusOr<int64_t> (*parse)(const std::string&),
                       std::string (*format)(int64_t), Field field) {
  return {std::move(section),
          std::move(name),
          KeyType::kString,
          std::move(description),
          [field, parse](T* target, const KeyValue& value) {
            field(*target) = parse(std::get<std::string>(value)).value_or(kUnlimited);
          },
          [field, format](const T& source) -> KeyValue {
            const int64_t amount = field(const_cast<T&>(source));
            return amount == kUnlimited ? std::string() : format(amount);
          }};
}

template <typename T, typename Field>
PolicyKey<T> DurationKey(std::string section, std::string name, std::string description,
                         Field field) {
  PolicyKey<T> key = AmountKey<T>(std::move(section), std::move(name), std::move(description),
                                  ParseDuration, FormatDuration, field);
  key.check = CheckDuration;
  key.pattern = "^[0-9]+(ms|s|m|h|d)$";
  return key;
}

}  // namespace sessionctl

#endif  // POLICY_KEY_MAKERS_H_
