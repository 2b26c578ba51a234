// The tables of attempts. A new file of attempts: one line here and one in main.cc.
#ifndef TESTS_TESTCASES_HOSTILE_SESSION_TABLES_H_
#define TESTS_TESTCASES_HOSTILE_SESSION_TABLES_H_

#include <vector>

#include "tests/testcases/hostile_session/attempt.h"

namespace hostile {

std::vector<Attempt> SignalAttempts();
std::vector<Attempt> ProcessAttempts();
std::vector<Attempt> ProcFileAttempts();
std::vector<Attempt> IpcAttempts();
std::vector<Attempt> DescriptorAttempts();
std::vector<Attempt> TerminalAttempts();
std::vector<Attempt> KernelAttempts();
std::vector<Attempt> MemoryAttempts();
std::vector<Attempt> NetworkAttempts();
std::vector<Attempt> HostFileAttempts();

}  // namespace hostile

#endif  // TESTS_TESTCASES_HOSTILE_SESSION_TABLES_H_
