import './style.css'
import { render } from 'preact'
import { Home } from './home/home.tsx'
import { speakAsPreferred } from './text/i18n.ts'

speakAsPreferred()
render(<Home />, document.getElementById('app')!)
