// What the policy compiler has to know of a mediated system call in order to write its filter
// rules. The rows themselves live in supervisor/mediator/syscall_table; rooms to the left take them
// as values.
#ifndef POLICY_MEDIATED_CALL_H_
#define POLICY_MEDIATED_CALL_H_

namespace sessionctl {

struct MediatedCall {
  enum class When {
    kAlways,      // creates, changes or removes a name or metadata, or keeps its flags in memory
                  // (openat2)
    kUnlessRead,  // open, openat: a pure O_RDONLY or O_PATH open is native when reads are native
  };
  int nr;
  const char* name;
  When when;
  int flags_arg;  // register of the open flags when `when` is kUnlessRead, else -1
};

}  // namespace sessionctl

#endif  // POLICY_MEDIATED_CALL_H_
