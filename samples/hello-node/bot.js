// The smallest bot in JavaScript: says hello once a second. Everything that it prints is its log.
let count = 0;
const hello = () => console.log(`hello number ${++count} from a program that nobody's server runs`);
hello();
setInterval(hello, 1000);
