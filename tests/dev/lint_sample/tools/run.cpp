std::cout << "the program may print";
std::exit(1);
