// Random choices that are the same with every library.
#ifndef TESTS_DIFFERENTIAL_DICE_H_
#define TESTS_DIFFERENTIAL_DICE_H_

#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

namespace differential {

class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}

  uint64_t Below(uint64_t limit) { return engine_() % limit; }
  bool Percent(unsigned chance) { return Below(100) < chance; }

  template <typename T>
  const T& Of(const std::vector<T>& list) {
    return list[Below(list.size())];
  }
  std::string Of(std::initializer_list<const char*> list) {
    return list.begin()[Below(list.size())];
  }

 private:
  std::mt19937_64 engine_;  // its sequence is the standard's own
};

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_DICE_H_
