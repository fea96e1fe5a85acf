// What goes wrong, by who can mend it. The command line turns each type into its exit code.
//
// Every message reads `<place>: <problem> (<why it is one>). <what to do>`.
#pragma once

#include <stdexcept>
#include <string>

namespace attojoule {

// Base of everything that the libraries throw on purpose.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A request that makes no sense: unknown key, missing unit, value outside its physical range,
// options that exclude each other. Exit code 2.
class ConfigError : public Error {
 public:
  using Error::Error;
};

// A file that cannot be used: missing, truncated, of the wrong shape, or with contents that no
// simulation can start from. Exit code 3.
class DataError : public Error {
 public:
  using Error::Error;
};

// A computation that failed although its input was valid: no convergence, an output that cannot
// be written. Exit code 1.
class RunError : public Error {
 public:
  using Error::Error;
};

// A target that the requested hardware cannot reach. Exit code 4.
class TargetError : public Error {
 public:
  using Error::Error;
};

}  // namespace attojoule
