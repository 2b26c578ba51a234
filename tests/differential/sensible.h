// Steps that can succeed: arguments that fit each other and what the program has made so far. The
// words that are not worth a thought come from WordMaker, as in a step that is random throughout.
#ifndef TESTS_DIFFERENTIAL_SENSIBLE_H_
#define TESTS_DIFFERENTIAL_SENSIBLE_H_

#include <string>
#include <vector>

#include "tests/differential/dice.h"
#include "tests/differential/model.h"
#include "tests/differential/ops.h"
#include "tests/differential/program.h"
#include "tests/differential/words.h"

namespace differential {

class Sensible {
 public:
  Sensible(Dice* dice, WordMaker* words, Model* model)
      : dice_(*dice), words_(*words), model_(*model) {}

  // Fills in the words of `step` (actor and op are set). False: nothing fits now.
  bool Fill(const Op& op, Step* step);

  // Makes the model follow a step, wherever its words come from.
  void Follow(const Op& op, const Step& step);

  // How `actor` may write a path of the model; with `dirfd`, perhaps relative to an open directory.
  std::string Spell(int actor, const std::string& path, std::string* dirfd = nullptr);

  // Something new in a directory that is there.
  std::string NewPath();

 private:
  bool PickPath(char role, std::string* path);
  bool FillDescriptor(const Op& op, Step* step);
  std::string RelativeTo(const std::string& directory, const std::string& path) const;
  std::string OpenFlags(Kind kind);
  std::string AtFlags(const Op& op) const;
  std::string RenameFlags() const;
  std::string Number(const Op& op, size_t position);
  std::vector<std::string> Attribute(const Op& op);
  std::string Id(const Op& op, size_t position) const;
  bool Word(char letter, const Op& op, Step* step);
  void FollowPaths(const Op& op, const Step& step);
  void FollowDescriptors(const Op& op, const Step& step);
  std::string Unspell(int actor, const std::string& dirfd, const std::string& word) const;

  Dice& dice_;
  WordMaker& words_;
  Model& model_;
  std::vector<std::string> paths_;  // of the step that is being filled
};

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_SENSIBLE_H_
