// Einsum: sums of products over labelled axes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "network/operators.hpp"

namespace attojoule::network {
namespace {

std::vector<ValueInfo> infer_einsum(const OperatorCall& call) {
  call.require_reals();
  const EinsumTerms terms = einsum_terms(call);
  Shape shape;
  for (const char label : terms.output) shape.push_back(terms.extents.at(label));
  return {{ElementType::real, shape}};
}

void evaluate_einsum(const OperatorCall& call, const InputTensors& in,
                     std::vector<DoubleTensor>& out) {
  const EinsumTerms terms = einsum_terms(call);
  // One loop over all labels, those of the output first.
  std::string labels = terms.output;
  for (const auto& [label, extent] : terms.extents) {
    if (labels.find(label) == std::string::npos) labels += label;
  }
  Shape extents;
  for (const char label : labels) extents.push_back(terms.extents.at(label));
  std::vector<Shape> steps;  // of every operand along every label
  for (std::size_t k = 0; k < in.size(); ++k) {
    Shape step(labels.size(), 0);
    const Shape strides = row_major_strides(in[k]->shape);
    for (std::size_t i = 0; i < strides.size(); ++i) {
      if (in[k]->shape[i] != 1) step[labels.find(terms.operands[k][i])] += strides[i];
    }
    steps.push_back(std::move(step));
  }
  std::fill(out[0].values.begin(), out[0].values.end(), 0.0);
  const Shape out_strides = row_major_strides(out[0].shape);
  for_each_index(extents, [&](std::size_t, const Shape& index) {
    double product = 1;
    for (std::size_t k = 0; k < in.size(); ++k) {
      std::int64_t at = 0;
      for (std::size_t i = 0; i < index.size(); ++i) at += index[i] * steps[k][i];
      product *= in[k]->values[static_cast<std::size_t>(at)];
    }
    std::int64_t target = 0;
    for (std::size_t i = 0; i < out_strides.size(); ++i) target += index[i] * out_strides[i];
    out[0].values[static_cast<std::size_t>(target)] += product;
  });
}

constexpr int any_number = 1 << 20;

const std::array operators{
    Operator{"Einsum", 1, any_number, infer_einsum, evaluate_einsum},
};

}  // namespace

EinsumTerms einsum_terms(const OperatorCall& call) {
  std::string equation = call.text("equation", "");
  std::erase_if(equation, [](unsigned char c) { return std::isspace(c) != 0; });
  const auto wrong = [&](const std::string& why) {
    call.fail(fmt::format("equation '{}': {}", equation, why),
              "Rewrite it with MatMul, Transpose and ReduceSum");
  };
  const std::size_t arrow = equation.find("->");
  std::string left = equation.substr(0, arrow);
  EinsumTerms terms;
  std::size_t start = 0;
  while (true) {
    const std::size_t comma = left.find(',', start);
    terms.operands.push_back(left.substr(start, comma - start));
    if (comma == std::string::npos) break;
    start = comma + 1;
  }
  if (terms.operands.size() != call.input_count()) wrong("one term for each input is needed");
  // An ellipsis stands for axes that are broadcast; they get the labels '0', '1', … from the last.
  std::size_t widest = 0;
  const std::string dots = "...";
  for (std::size_t k = 0; k < terms.operands.size(); ++k) {
    std::string& term = terms.operands[k];
    const std::size_t at = term.find(dots);
    const std::size_t rank = call.shape(k).size();
    if (at != std::string::npos) {
      if (term.size() - dots.size() > rank) wrong("an input has fewer axes than its term");
      const std::size_t hidden = rank - (term.size() - dots.size());
      if (hidden > 10) wrong("too many axes");
      std::string names;
      for (std::size_t i = hidden; i-- > 0;) names += static_cast<char>('0' + i);
      term.replace(at, dots.size(), names);
      widest = std::max(widest, hidden);
    }
    if (term.size() != rank) wrong("an input has other axes than its term");
    for (std::size_t i = 0; i < rank; ++i) {
      const char label = term[i];
      const bool dotted = std::isdigit(static_cast<unsigned char>(label)) != 0;
      if (std::isalpha(static_cast<unsigned char>(label)) == 0 && !dotted) {
        wrong(fmt::format("'{}' is no label", label));
      }
      if (term.find(label) != i) wrong("a label twice in one term (a diagonal)");
      const std::int64_t extent = call.shape(k)[i];
      auto [held, fresh] = terms.extents.emplace(label, extent);
      if (!fresh && held->second != extent) {
        if (held->second != 1 && extent != 1) wrong("extents of one label differ");
        held->second = std::max(held->second, extent);
      }
    }
  }
  std::string names;
  for (std::size_t i = widest; i-- > 0;) names += static_cast<char>('0' + i);
  if (arrow == std::string::npos) {
    // Labels that occur once, in the alphabet's order.
    terms.output = names;
    for (const auto& [label, extent] : terms.extents) {
      std::ptrdiff_t uses = 0;
      for (const auto& term : terms.operands) uses += std::count(term.begin(), term.end(), label);
      if (uses == 1 && std::isalpha(static_cast<unsigned char>(label)) != 0) terms.output += label;
    }
  } else {
    terms.output = equation.substr(arrow + 2);
    const std::size_t at = terms.output.find(dots);
    if (at != std::string::npos) terms.output.replace(at, dots.size(), names);
  }
  for (std::size_t i = 0; i < terms.output.size(); ++i) {
    const char label = terms.output[i];
    if (!terms.extents.contains(label)) wrong(fmt::format("'{}' is in no input", label));
    if (terms.output.find(label) != i) wrong("a label twice in the output");
  }
  // The plain definition walks over every combination of labels.
  std::int64_t work = 1;
  for (const auto& [label, extent] : terms.extents) {
    if (__builtin_mul_overflow(work, extent, &work)) wrong("too much work");
  }
  return terms;
}

std::span<const Operator> einsum_operators() {
  return operators;
}

}  // namespace attojoule::network
