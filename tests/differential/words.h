// The words of a generated step: paths, flags, modes, values, hostile pointers. Remembers roughly
// what a program has made, so that about half of its calls succeed.
#ifndef TESTS_DIFFERENTIAL_WORDS_H_
#define TESTS_DIFFERENTIAL_WORDS_H_

#include <string>
#include <vector>

#include "tests/differential/dice.h"
#include "tests/differential/ops.h"

namespace differential {

class WordMaker {
 public:
  explicit WordMaker(Dice* dice) : dice_(*dice) {}

  // What may be there, relative to the program's directory, as the inside of a quoted word.
  void AddFile(const std::string& path) { files_.push_back(path); }
  void AddDirectory(const std::string& path) { directories_.push_back(path); }
  void AllowFifos() { fifos_ = true; }
  bool fifos() const { return fifos_; }
  void AddSlot(int slot) { slots_.push_back(slot); }

  // A name of one component, rarely an odd one.
  std::string Name();
  // What a new symbolic link says.
  std::string LinkText();
  // The words of one of Op::args's letters.
  std::vector<std::string> For(char letter, const Op& op);

  std::string Mode();
  std::string AclValue();
  std::string XattrName();

 private:
  std::string Path();
  std::string PlainPath();
  std::string Adorned(std::string path);
  std::string HostileString();
  std::string TextLeadingOut();
  std::string Descriptor(bool or_cwd);
  std::string OpenFlags();
  std::string AtFlags(const Op& op);
  std::string Number(const Op& op);
  std::string Id();
  std::string Time();
  std::string Times();
  std::string Bytes(const Op& op);
  std::string Buffer();
  std::vector<std::string> OpenHow();

  Dice& dice_;
  bool fifos_ = false;
  std::vector<std::string> files_;
  std::vector<std::string> directories_;
  std::vector<int> slots_;
};

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_WORDS_H_
