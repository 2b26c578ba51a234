// Messages from where nothing may be allocated or locked: between fork and exec, or in a broker
// that is about to end. Async-signal-safe; one write(2) to descriptor 2, truncated at 512 bytes.
#ifndef SANDBOX_BASE_RAW_LOG_H_
#define SANDBOX_BASE_RAW_LOG_H_

namespace sessionctl {

// "sessionctl: WHAT: errno NAME (NUMBER)\n"; without the errno part when error is 0.
void RawLog(const char* what, int error = 0);

}  // namespace sessionctl

#endif  // SANDBOX_BASE_RAW_LOG_H_
