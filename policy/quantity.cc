#include "policy/quantity.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sessionctl {
namespace {

struct Unit {
  const char* name;
  int64_t factor;
};

// Largest first: the first that divides an amount writes it shortest.
constexpr Unit kSizeUnits[] = {{"T", int64_t{1} << 40},
                               {"G", int64_t{1} << 30},
                               {"M", int64_t{1} << 20},
                               {"K", int64_t{1} << 10},
                               {"", 1}};
constexpr Unit kTimeUnits[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};

// So that sums of a few of them, and nanoseconds, fit into 64 bits.
constexpr int64_t kLargestSize = int64_t{1} << 60;
constexpr int64_t kLongestDuration = 36'500 * int64_t{86'400'000};

template <size_t N>
absl::StatusOr<int64_t> Parse(const std::string& text, const Unit (&units)[N], int64_t largest,
                              const std::string& what) {
  const size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string unit_name = text.substr(end);
  const Unit* unit = std::find_if(std::begin(units), std::end(units),
                                  [&](const Unit& each) { return unit_name == each.name; });
  int64_t amount = 0;
  if (end == 0 || unit == std::end(units)) return absl::InvalidArgumentError(what);
  if (!absl::SimpleAtoi(text.substr(0, end), &amount) || amount > largest / unit->factor) {
    return absl::InvalidArgumentError("is too large");
  }
  return amount * unit->factor;
}

template <size_t N>
std::string Format(int64_t amount, const Unit (&units)[N]) {
  for (const Unit& unit : units) {
    if (amount != 0 && amount % unit.factor == 0) {
      return absl::StrCat(amount / unit.factor, unit.name);
    }
  }
  return absl::StrCat("0", units[N - 1].name);
}

}  // namespace

absl::StatusOr<int64_t> ParseSize(const std::string& text) {
  return Parse(text, kSizeUnits, kLargestSize,
               "is not a size: a whole number, with K, M, G or T, as \"512M\"");
}

std::string FormatSize(int64_t bytes) { return Format(bytes, kSizeUnits); }

absl::StatusOr<int64_t> ParseDuration(const std::string& text) {
  return Parse(text, kTimeUnits, kLongestDuration,
               "is not a duration: a whole number with ms, s, m, h or d, as \"10s\"");
}

std::string FormatDuration(int64_t milliseconds) { return Format(milliseconds, kTimeUnits); }

}  // namespace sessionctl
