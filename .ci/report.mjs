// Reads `go test -json` and prints what people want to see: a line for each package,
// the output of what failed, and at the end how many tests passed and failed.
import { createInterface } from 'node:readline'

const output = new Map() // of running tests, by package and test
const took = []
const count = { pass: 0, fail: 0, skip: 0 }
const began = Date.now()
const faulty = new Set() // packages with a test that failed
let ended = 0 // runs of go test that failed

for await (const line of createInterface({ input: process.stdin })) {
  let event
  try {
    event = JSON.parse(line)
  } catch {
    console.log(line)
    ended += line.startsWith('go test ended with ') ? 1 : 0
    continue
  }
  const { Action: action, Package: name, Test: test, ImportPath: built } = event
  const key = `${name ?? built} ${test ?? ''}`
  if (action === 'output' || action === 'build-output') {
    output.set(key, (output.get(key) ?? []).concat(event.Output))
  } else if (action === 'build-fail') {
    console.log((output.get(key) ?? []).join(''))
  } else if (action in count) {
    const said = (output.get(key) ?? []).filter((text) => !/^(=== |PASS|-test\.shuffle)/.test(text)).join('')
    output.delete(key)
    if (test) {
      count[action]++
      if (action === 'fail') faulty.add(name)
      took.push([event.Elapsed, key])
    } else if (action === 'fail' && !faulty.has(name)) {
      count.fail++ // it did not build, or ended outside any test
    }
    if (action !== 'pass' || !test) {
      process.stdout.write(said)
    }
  }
}

took.sort(([a], [b]) => b - a)
console.log('\nslowest:')
for (const [seconds, key] of took.slice(0, 8)) {
  console.log(`${seconds.toFixed(1).padStart(6)}s  ${key}`)
}
if (count.skip) {
  console.log(`${count.skip} skipped: a test that cannot run must fail`)
  count.fail += count.skip
}
if (ended && !count.fail) {
  count.fail = ended
}
console.log(`${((Date.now() - began) / 1000).toFixed(0)}s of tests`)
console.log(`${count.pass} passed, ${count.fail} failed`)
process.exit(count.fail || !count.pass ? 1 : 0)
