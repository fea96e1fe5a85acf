#include "tools/operator_table.hpp"

#include <fmt/format.h>

#include <vector>

#include "network/operator_notes.hpp"
#include "network/operators.hpp"

namespace attojoule::tools {
namespace {

std::string ways_text(const network::OperatorWays& ways) {
  std::vector<std::string> parts;
  if (ways.product) parts.emplace_back("**optical product**");
  if (ways.fused) parts.emplace_back("fused");
  if (ways.view) parts.emplace_back("view");
  if (ways.onednn) parts.emplace_back("oneDNN");
  if (ways.kernel) parts.emplace_back("kernel");
  if (ways.plain) parts.emplace_back("plain");
  if (ways.folded) parts.emplace_back("folded");
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

std::string operators_markdown() {
  std::string text = fmt::format(
      R"(# Operators

Written by `attojoule help operators --markdown`; do not edit.

A network comes as one ONNX file of opset {} to {}, from any exporter: PyTorch (tracing and dynamo,
functions of the model included), tf2onnx (NHWC with transpositions), converters that write quantised
networks down with QuantizeLinear and DequantizeLinear, scikit-learn's (of whose outputs the names of classes
are left out). What is not in this table, a domain other than `ai.onnx`, control flow (Loop, Scan, and an If
unless the input's shape decides it), sequences and sparse tensors are refused before
anything runs, with the names of node, operator and opset. Weights may lie in files beside the model
(external data), where PyTorch's dynamo exporter puts them by default.

| runs as | means |
|---|---|
| **optical product** | matrix product on the hardware: noisy, mapped onto tiles, billed |
| fused | digital, in the same sweep as the product before it, where the graph allows it |
| view | another look at the same numbers; a copy where the layout does not allow that |
| oneDNN | digital, single precision, vectorised by oneDNN |
| kernel | digital, single precision, a loop of this program |
| plain | digital, by its definition in double precision: right, and slow for large arrays |
| folded | gone before anything runs: a constant, or without effect at inference |

Where several are named, attributes and layout decide. Any operator whose inputs are all constants is folded.
Digital operators are exact and cost nothing in the ledger; `attojoule map` lists them one by one.

Numbers are single precision, whatever real type the file has (float16, float, double); integers and booleans
are exact up to 2^24 where they come from the network's input, and do not wrap around. Shapes have to be known
once the input's is: an axis may depend on the input's shape, not on its values. Batch and sequence axes may be
open; samples run one at a time, so that a result never depends on the batch.

| operator | ONNX since | runs as | mind |
|---|---|---|---|
)",
      network::min_opset, network::max_opset);
  for (const auto& note : network::operator_notes()) {
    text += fmt::format("| {} | {} | {} | {} |\n", note.name, note.since, ways_text(note.ways),
                        note.limits);
  }
  return text;
}

}  // namespace attojoule::tools
