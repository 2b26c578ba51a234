// SysResult<T>: what a system call answered, a value or an errno. For callers that are programs (a
// mediated call must hand the exact errno back); people and API clients get absl::Status instead.
#ifndef SANDBOX_BASE_SYS_RESULT_H_
#define SANDBOX_BASE_SYS_RESULT_H_

#include <cerrno>
#include <utility>
#include <variant>

namespace sessionctl {

// An errno on its way to a SysResult: `return Errno(ENOENT);`.
struct Errno {
  explicit Errno(int value) : value(value) {}
  int value;
};

// The errno of the libc call that has just failed on this thread.
inline Errno LastErrno() { return Errno(errno); }

template <typename T>
class [[nodiscard]] SysResult {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): so that a function can return what it has
  SysResult(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  SysResult(Errno error) : state_(std::in_place_index<1>, error) {}

  bool ok() const { return state_.index() == 0; }
  // 0 when ok().
  int error() const { return ok() ? 0 : std::get<1>(state_).value; }
  T& operator*() { return std::get<0>(state_); }
  const T& operator*() const { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }

 private:
  std::variant<T, Errno> state_;
};

// Success carries nothing.
struct Done {};
using SysStatus = SysResult<Done>;

}  // namespace sessionctl

#endif  // SANDBOX_BASE_SYS_RESULT_H_
