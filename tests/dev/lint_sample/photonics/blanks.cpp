// Blanks at the end of the next line. wrong-file: last-newline
int a = 1; // wrong: white-space   
	int b = 1;  // wrong: white-space
using namespace std;
int c = 1;