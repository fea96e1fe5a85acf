// Recurrent layers as what a tile and digital electronics do of them.
//
//   NODE/input            X W' + b: one product for all steps
//   NODE/step0, step1, …  h R' of each step: a product of one position, with the same weights
//
// and gates between them, digital. A bidirectional layer has NODE/forward/… and NODE/backward/…
// The first step has no product where the first hidden state is zero: there is nothing to multiply.
// A GRU whose reset gate comes before its product has two of them a step, NODE/step0 (update and
// reset) and NODE/step0/hidden.
#include <fmt/format.h>

#include <algorithm>

#include "network/graph_rewrite.hpp"
#include "network/operators.hpp"

namespace attojoule::network {
namespace {

constexpr std::size_t biases = 3, first_hidden = 5, first_cell = 6;

class RecurrentRewrite {
 public:
  RecurrentRewrite(Graph& graph, const Node& node)
      : graph_(graph),
        node_(node),
        rewrite_(graph, node),
        form_(recurrent_form(OperatorCall(graph, node))) {
    const OperatorCall call(graph, node);
    for (const std::size_t input : {std::size_t{1}, std::size_t{2}, biases}) {
      if (call.has_input(input) && !call.is_constant(input)) {
        call.fail("computed weights", "Export with constant weights");
      }
    }
  }

  std::vector<Node> run() {
    std::vector<ValueId> sequences, hidden, cells;
    for (std::int64_t d = 0; d < form_.directions; ++d) {
      run_direction(d);
      sequences.push_back(rewrite_.reshape(part("sequence"), join(part("steps"), sequence_, 0),
                                           {form_.steps, 1, form_.batch, form_.hidden}));
      const Shape state{1, form_.batch, form_.hidden};
      hidden.push_back(rewrite_.reshape(part("last_hidden"), h_, state));
      if (form_.gates == 4) cells.push_back(rewrite_.reshape(part("last_cell"), c_, state));
    }
    prefix_.clear();
    std::vector<ValueId> results{join("sequence", sequences, 1), join("last_hidden", hidden, 0)};
    if (form_.gates == 4) results.push_back(join("last_cell", cells, 0));
    results.resize(node_.outputs.size());
    return rewrite_.finish(results);
  }

 private:
  std::string part(const std::string& name) const { return prefix_ + name; }

  ValueId join(const std::string& name, const std::vector<ValueId>& parts, std::int64_t axis) {
    if (parts.size() == 1) return parts[0];
    return rewrite_.node("Concat", name, parts, {{"axis", axis}});
  }

  // Rows [first, first + rows) of a direction's weights as a matrix [columns][rows].
  ValueId matrix(const std::string& name, std::size_t input, std::int64_t direction,
                 std::int64_t columns, std::int64_t first, std::int64_t rows) {
    const auto& given = graph_.constant(node_.inputs[input])->reals;
    const std::int64_t start = (direction * form_.gates * form_.hidden + first) * columns;
    std::vector<float> turned(static_cast<std::size_t>(rows * columns));
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t k = 0; k < columns; ++k) {
        turned[static_cast<std::size_t>(k * rows + r)] =
            given[static_cast<std::size_t>(start + r * columns + k)];
      }
    }
    return rewrite_.constant(part(name), {columns, rows}, std::move(turned));
  }

  ValueId add_rows(const std::string& name, ValueId value, std::vector<float> row) {
    const Shape shape{static_cast<std::int64_t>(row.size())};
    const ValueId bias = rewrite_.constant(part(name + "/values"), shape, std::move(row));
    return rewrite_.node("Add", part(name), {value, bias});
  }

  // A first state [batch][unit]; no_value if it is zero.
  ValueId first_state(const std::string& name, std::size_t input, std::int64_t direction) {
    if (node_.inputs.size() <= input || node_.inputs[input] == no_value) return no_value;
    const ValueId given = node_.inputs[input];
    if (const Tensor* constant = graph_.constant(given); constant != nullptr) {
      const auto& values = constant->reals;
      if (std::all_of(values.begin(), values.end(), [](float v) { return v == 0; })) {
        return no_value;
      }
    }
    return rewrite_.reshape(
        part(name), rewrite_.slice(part(name + "/slice"), given, 0, direction, direction + 1),
        {form_.batch, form_.hidden});
  }

  ValueId op(const char* type, const std::string& name, std::vector<ValueId> inputs) {
    return rewrite_.node(type, part(name), std::move(inputs));
  }
  // Columns of gates [first, last); `from` itself where it holds no others.
  ValueId gates(const std::string& name, ValueId from, std::int64_t first, std::int64_t last) {
    const std::int64_t hidden = form_.hidden;
    if (rewrite_.shape(from)[1] == (last - first) * hidden) return from;
    return rewrite_.slice(part(name), from, 1, first * hidden, last * hidden);
  }
  const std::string& activation(std::size_t which) const {
    const std::size_t own = form_.activations.size() / static_cast<std::size_t>(form_.directions);
    return form_.activations[static_cast<std::size_t>(direction_) * own + which];
  }
  ValueId activate(std::size_t which, const std::string& name, ValueId value) {
    return op(activation(which).c_str(), name, {value});
  }

  void run_direction(std::int64_t direction) {
    direction_ = direction;
    if (form_.directions == 2) prefix_ = direction == 0 ? "forward/" : "backward/";
    const std::int64_t hidden = form_.hidden, rows = form_.gates * hidden;
    const ValueId x =
        rewrite_.reshape(part("rows"), node_.inputs[0], {form_.steps * form_.batch, form_.inputs});
    ValueId projected =
        op("MatMul", "input", {x, matrix("input/weights", 1, direction, form_.inputs, 0, rows)});
    // The recurrent bias of a GRU's candidate is multiplied by its reset gate.
    const bool apart = form_.reset_after;
    const std::int64_t common = apart ? 2 * hidden : rows;
    if (has_biases()) {
      std::vector<float> sum = bias_sums(direction, 0, common, true, true);
      const std::vector<float> rest = bias_sums(direction, common, rows - common, true, false);
      sum.insert(sum.end(), rest.begin(), rest.end());
      projected = add_rows("input/bias", projected, std::move(sum));
    }
    const bool resets_before = form_.gates == 3 && !apart;
    const std::int64_t at_once = resets_before ? 2 * hidden : rows;
    const ValueId recurrent = matrix("step/weights", 2, direction, hidden, 0, at_once);
    const ValueId candidate =
        resets_before ? matrix("step/hidden_weights", 2, direction, hidden, 2 * hidden, hidden)
                      : no_value;
    h_ = first_state("first_hidden", first_hidden, direction);
    c_ = form_.gates == 4 ? first_state("first_cell", first_cell, direction) : no_value;
    sequence_.assign(static_cast<std::size_t>(form_.steps), no_value);
    for (std::int64_t s = 0; s < form_.steps; ++s) {
      const std::int64_t t = form_.reversed(direction) ? form_.steps - 1 - s : s;
      const std::string name = fmt::format("step{}", t);
      const ValueId own = form_.steps == 1 ? projected
                                           : rewrite_.slice(part(name + "/input"), projected, 0,
                                                            t * form_.batch, (t + 1) * form_.batch);
      ValueId product = no_value;
      if (h_ != no_value) product = op("MatMul", name, {h_, recurrent});
      if (form_.gates == 1) {
        h_ = activate(0, name + "/activation", sum(name + "/sum", product, own));
      } else if (form_.gates == 4) {
        run_lstm(name, sum(name + "/sum", product, own));
      } else {
        run_gru(name, product, own, candidate);
      }
      sequence_[static_cast<std::size_t>(t)] = h_;
    }
  }

  ValueId sum(const std::string& name, ValueId product, ValueId other) {
    return product == no_value ? other : op("Add", name, {product, other});
  }

  void run_lstm(const std::string& name, ValueId z) {
    const ValueId open = activate(0, name + "/gates", gates(name + "/gates/sums", z, 0, 3));
    const ValueId cell = activate(1, name + "/candidate", gates(name + "/candidate/sum", z, 3, 4));
    const ValueId fresh = op("Mul", name + "/fresh", {gates(name + "/in", open, 0, 1), cell});
    if (c_ != no_value) {
      const ValueId kept = op("Mul", name + "/kept", {gates(name + "/forget", open, 2, 3), c_});
      c_ = op("Add", name + "/cell", {kept, fresh});
    } else {
      c_ = fresh;
    }
    h_ = op("Mul", name + "/hidden_state",
            {gates(name + "/out", open, 1, 2), activate(2, name + "/cell/activation", c_)});
  }

  void run_gru(const std::string& name, ValueId product, ValueId own, ValueId candidate_weights) {
    // Update and reset gate together; of the input's three, and of the product's two or three.
    const ValueId of_product =
        product == no_value ? no_value : gates(name + "/gates/product", product, 0, 2);
    const ValueId open =
        activate(0, name + "/gates",
                 sum(name + "/gates/sums", of_product, gates(name + "/gates/input", own, 0, 2)));
    const ValueId update = gates(name + "/update", open, 0, 1);
    const ValueId reset = gates(name + "/reset", open, 1, 2);
    ValueId before = gates(name + "/candidate/input", own, 2, 3);
    if (form_.reset_after) {
      ValueId recurrent =
          product == no_value ? no_value : gates(name + "/candidate/product", product, 2, 3);
      if (has_biases()) {
        std::vector<float> bias =
            bias_sums(direction_, 2 * form_.hidden, form_.hidden, false, true);
        if (recurrent != no_value) {
          recurrent = add_rows(name + "/candidate/bias", recurrent, std::move(bias));
        } else {
          recurrent =
              rewrite_.constant(part(name + "/candidate/bias"), {1, form_.hidden}, std::move(bias));
        }
      }
      if (recurrent != no_value) {
        before = op("Add", name + "/candidate/sum",
                    {before, op("Mul", name + "/candidate/reset", {reset, recurrent})});
      }
    } else if (h_ != no_value) {
      const ValueId kept = op("Mul", name + "/kept", {reset, h_});
      before = op("Add", name + "/candidate/sum",
                  {op("MatMul", name + "/hidden", {kept, candidate_weights}), before});
    }
    const ValueId candidate = activate(1, name + "/candidate", before);
    // (1 - z) candidate + z h = candidate + z (h - candidate)
    const ValueId change = h_ == no_value ? op("Neg", name + "/change", {candidate})
                                          : op("Sub", name + "/change", {h_, candidate});
    h_ = op("Add", name + "/hidden_state",
            {candidate, op("Mul", name + "/updated", {update, change})});
  }

  bool has_biases() const {
    return node_.inputs.size() > biases && node_.inputs[biases] != no_value;
  }
  std::vector<float> bias_sums(std::int64_t direction, std::int64_t first, std::int64_t rows,
                               bool of_input, bool of_recurrent) const {
    const auto& given = graph_.constant(node_.inputs[biases])->reals;
    const std::int64_t own = form_.gates * form_.hidden;
    std::vector<float> sums;
    for (std::int64_t r = first; r < first + rows; ++r) {
      const auto at = static_cast<std::size_t>(2 * direction * own + r);
      sums.push_back((of_input ? given[at] : 0.0f) +
                     (of_recurrent ? given[at + static_cast<std::size_t>(own)] : 0.0f));
    }
    return sums;
  }

  Graph& graph_;
  const Node& node_;
  Rewrite rewrite_;
  RecurrentForm form_;
  std::string prefix_;  // of a direction's names
  std::int64_t direction_ = 0;
  ValueId h_ = no_value, c_ = no_value;  // [batch][unit]; no_value: zero
  std::vector<ValueId> sequence_;        // h of every step, in the order of the input's
};

}  // namespace

std::vector<Node> rewrite_recurrent(Graph& graph, const Node& node) {
  return RecurrentRewrite(graph, node).run();
}

}  // namespace attojoule::network
