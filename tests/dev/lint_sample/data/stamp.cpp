auto created = std::chrono::system_clock::now();
