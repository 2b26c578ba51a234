// What a program has made so far, as far as the generator can tell: it assumes that everything
// worked. With this, most steps of a program are ones that can succeed.
#ifndef TESTS_DIFFERENTIAL_MODEL_H_
#define TESTS_DIFFERENTIAL_MODEL_H_

#include <array>
#include <map>
#include <string>
#include <vector>

#include "tests/differential/dice.h"
#include "tests/differential/program.h"

namespace differential {

enum class Kind { kNone, kFile, kDirectory, kLink, kOther };

struct Slot {
  Kind kind = Kind::kNone;
  std::string path;  // "": unknown, or without a name
  bool readable = false;
  bool writable = false;
  bool unnamed = false;  // O_TMPFILE
  int actor = 0;         // who opened it
};

// Paths are relative to the program's own directory, as the inside of a quoted word; that directory
// itself is "".
class Model {
 public:
  explicit Model(Dice* dice) : dice_(*dice) { nodes_[""] = {Kind::kDirectory, true}; }

  // `usable`: the program may do with it what it likes.
  void Add(const std::string& path, Kind kind, bool usable) { nodes_[path] = {kind, usable}; }
  void Remove(const std::string& path);
  // What lies below goes with it.
  void Move(const std::string& from, const std::string& to, bool exchange);
  Kind KindOf(const std::string& path) const;

  // Something that is there; preferably usable. False: there is none.
  bool Pick(Kind kind, std::string* path) const;
  bool PickAny(std::string* path) const;
  bool PickEmptyDirectory(std::string* path) const;
  // A directory to make something in.
  std::string PickPlace() const;
  static std::string Join(const std::string& directory, const std::string& name) {
    return directory.empty() ? name : directory + "/" + name;
  }
  std::vector<std::string> Below(const std::string& directory) const;

  // Number of a slot that the actor can use and that `wanted` accepts; -1: none. The latest are
  // likeliest.
  template <typename Wanted>
  int PickSlot(int actor, Wanted wanted) const {
    std::vector<int> found;
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].kind != Kind::kNone && SeesSlotsOf(actor, slots_[i].actor) &&
          wanted(slots_[i])) {
        found.push_back(static_cast<int>(i));
      }
    }
    return found.empty() ? -1 : dice_.Of(found);
  }
  Slot& slot(int number) { return slots_.at(static_cast<size_t>(number)); }

  // Where an actor's relative paths begin.
  const std::string& cwd(int actor) const { return cwds_.at(static_cast<size_t>(actor)); }
  void ChangeDirectory(int actor, const std::string& path);
  // `actor` begins as a copy of `parent`, or shares with it.
  void Spawn(int parent, int actor, bool shares_files, bool shares_cwd);

 private:
  struct Node {
    Kind kind;
    bool usable;
  };

  bool SeesSlotsOf(int actor, int opener) const {
    return table_.at(static_cast<size_t>(actor)) == table_.at(static_cast<size_t>(opener)) ||
           parents_.at(static_cast<size_t>(actor)) == opener;
  }

  Dice& dice_;
  std::map<std::string, Node> nodes_;
  std::array<Slot, kMaxSlots> slots_;
  std::array<std::string, kMaxActors> cwds_;
  std::array<int, kMaxActors> table_ = {};       // who shares a descriptor table with whom
  std::array<int, kMaxActors> shared_cwd_ = {};  // who shares a working directory with whom
  std::array<int, kMaxActors> parents_ = {-1, -1, -1, -1, -1, -1};
};

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_MODEL_H_
