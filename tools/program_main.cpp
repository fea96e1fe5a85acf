#include <iostream>

#include "tools/verbs.hpp"

int main(int argc, char** argv) {
  return attojoule::tools::run_program(std::vector<std::string>(argv + 1, argv + argc),
                                       {std::cout, std::cerr});
}
