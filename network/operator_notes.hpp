// What a user has to know of every operator: since which opset ONNX has it, how it runs here, and
// what of it cannot run. docs/operators.md is written from this table (`attojoule help operators
// --markdown`).
// Test: tests/golden/operator_reference_test.cpp (every operator has a note, runs as it says, and
// in every way that it says).
#pragma once

#include <span>

#include "network/program.hpp"

namespace attojoule::network {

// A set of ways.
struct OperatorWays {
  bool product = false;  // on the optical hardware: noisy, counted, billed
  bool fused = false;    // digital, in the same sweep as the product before it
  bool view = false;     // digital, another look at the same numbers (a copy where that is needed)
  bool onednn = false;   // digital, oneDNN
  bool kernel = false;   // digital, a loop in single precision
  bool plain = false;    // digital, its definition in double precision: slow
  bool folded = false;   // gone before anything runs: constant, or no effect at inference
};

struct OperatorNote {
  const char* name;
  int since;           // opset that defines it first
  OperatorWays ways;   // of computed inputs; any operator of constants is folded
  const char* limits;  // what is refused, or read otherwise than one might think; "" for nothing
};

// Sorted by name, one for every operator of all_operators().
std::span<const OperatorNote> operator_notes();

}  // namespace attojoule::network
