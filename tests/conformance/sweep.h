// One scene and every call, for the sweeps: what a call answers is compared with the same call bare
// (SAME), and so is the tree that it leaves.
#ifndef TESTS_CONFORMANCE_SWEEP_H_
#define TESTS_CONFORMANCE_SWEEP_H_

#include <functional>
#include <string>
#include <vector>

namespace conformance {

// A directory with one object of every kind, entered: f, d/inner, d/sub, e/ (empty), hl (f again),
// links lf ld le dl (dangling) loop, a FIFO p, ro/f (0555), no/ (0000).
class SweepScene {
 public:
  SweepScene();
  void Rebuild();
  void Enter() const;        // after a call that may have led elsewhere
  std::string Tree() const;  // kinds, modes, sizes, targets
  // The answer of a call and the tree that it leaves must be as bare. Rebuilds what has changed.
  void Compare(const std::string& name, const std::string& outcome);

 private:
  int directory_;
  std::string pristine_;
};

struct PathCall {
  const char* name;
  std::function<long(const char*)> call;
  bool opens = false;  // a descriptor, to be closed
};
const std::vector<PathCall>& PathCalls();

struct PairCall {
  const char* name;
  std::function<long(const char*, const char*)> call;
};
const std::vector<PairCall>& PairCalls();

struct AtCall {
  const char* name;
  std::function<long(int, const char*, int)> call;  // dirfd, path, AT_ flags
  bool takes_flags;
  bool opens = false;
};
const std::vector<AtCall>& AtCalls();

// The answer; a descriptor is "ok" with its status flags, and is closed.
std::string Outcome(long value, bool opens);

}  // namespace conformance

#endif  // TESTS_CONFORMANCE_SWEEP_H_
