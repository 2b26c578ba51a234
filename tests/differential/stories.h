// A few steps that belong together: what programs do in a row, and what single steps, drawn one by
// one, would hardly ever come to.
#ifndef TESTS_DIFFERENTIAL_STORIES_H_
#define TESTS_DIFFERENTIAL_STORIES_H_

#include <functional>
#include <vector>

#include "tests/differential/dice.h"
#include "tests/differential/model.h"
#include "tests/differential/program.h"
#include "tests/differential/sensible.h"
#include "tests/differential/words.h"

namespace differential {

struct Storyteller {
  Dice& dice;
  WordMaker& words;
  Model& model;
  Sensible& sensible;
  std::function<int()> new_slot;
};

// Steps of one actor.
std::vector<Step> TellStory(const Storyteller& teller, int actor);

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_STORIES_H_
